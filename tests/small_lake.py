"""A lake of a few documents, with a fake model: made once, and copied by the tests that ask it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from include.commands.ingest import sync
from include.settings import Settings
from include.wiring import Platform


def settings_of(folder: Path) -> dict[str, str]:
    """Settings of a lake in this folder, whose documents lie in its `inbox`."""
    return {
        "RAG_SOURCE_URI": (folder / "inbox").as_uri(),
        "RAG_LAKE_URI": (folder / "lake").as_uri(),
        "RAG_EMBEDDER": "fake:32",
        "RAG_CHUNK_TOKENS": "20",
        "RAG_CHUNK_OVERLAP_TOKENS": "0",
    }


def write(inbox: Path, documents: Mapping[str, str]) -> None:
    """Writes these texts, by file name."""
    inbox.mkdir(exist_ok=True)
    for name, text in documents.items():
        (inbox / name).write_text(text)


def made(folder: Path, documents: Mapping[str, str], **changed: str) -> Path:
    """Makes a lake of these documents in the folder, and tells where it is."""
    write(folder / "inbox", documents)
    sync(Platform(Settings.from_environment(settings_of(folder) | changed)))
    return folder / "lake"
