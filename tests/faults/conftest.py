"""Scenes to break: built once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.corpus import Corpus
from tests.faults.lakes import Scene


@contextmanager
def _clean_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAG_ENV_FILE", "")
        yield


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """800 chunks, of which a sync has to embed 200."""
    yield from _scene(tmp_path_factory.mktemp("small"), 100, 8)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """2,000 chunks, of which a sync has to embed 500."""
    yield from _scene(tmp_path_factory.mktemp("large"), 200, 10, request_seconds=0.1)


@pytest.fixture(scope="session")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """2,000 chunks, and a lake that does not exist yet."""
    yield from _scene(tmp_path_factory.mktemp("cold"), 200, 10, cold=True, request_seconds=0.03)


def _scene(root: Path, documents: int, paragraphs: int, **chosen: Any) -> Iterator[Scene]:
    with _clean_environment():
        yield Scene(root, Corpus(root / "inbox", documents, paragraphs), **chosen).build()
