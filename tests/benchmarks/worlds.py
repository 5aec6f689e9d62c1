"""Platforms to measure: the real wiring on a source and a lake, with the embedder of choice."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from include.settings import Settings
from include.wiring import Platform
from tests.benchmarks.metering import InstantEmbedder, MeteredEmbedder

WARM_UP = {
    "one.md": "# Warm\n\nA first document, so that everything is imported before it counts.\n",
    "two.rst": "Warm\n====\n\nA second one, in *another* format, for the same reason.\n",
    "three.html": "<html><body><h1>Warm</h1><p>A third document in the last format.</p></body></html>",
    "four.txt": "A fourth one, plain.\n",
}


def environment(source: Path, lake: Path, **settings: str) -> dict[str, str]:
    """The settings of a sync from one folder to another, defaults otherwise."""
    return {"RAG_SOURCE_URI": source.as_uri(), "RAG_LAKE_URI": lake.as_uri(), **settings}


def platform(
    source: Path, lake: Path, *, instant: bool, settings: Mapping[str, str] | None = None
) -> tuple[Platform, MeteredEmbedder]:
    """A platform whose embedder is metered, and that meter.

    An instant embedder keeps the real one's identity, and the tokenizer is the model's own.
    """
    made = Platform(Settings.from_environment(environment(source, lake, **(settings or {}))))
    real = made.embedder
    meter = MeteredEmbedder(InstantEmbedder(real.identity) if instant else real)
    made.__dict__["embedder"] = meter  # the slot of the cached property
    return made, meter


def warm_up(*, instant: bool, settings: Mapping[str, str] | None = None) -> None:
    """Syncs four tiny documents twice: imports everything and loads the model."""
    from include.commands.ingest import sync

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        for name, text in WARM_UP.items():
            (source / name).write_text(text)
        for _ in range(2):
            sync(platform(source, Path(folder) / "lake", instant=instant, settings=settings)[0])
            (source / "four.txt").write_text("A fourth one, changed.\n")
