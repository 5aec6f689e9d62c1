"""What verification looks at: the lake's parts, and what the settings say they should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from include.storage.index_entries import Index
from include.storage.lake import Lake
from include.storage.lance import LanceDatabase
from include.storage.registry import Registry
from include.storage.tables import Tables
from include.vectorstore.protocol import VectorStore

CHUNKS, EMBEDDINGS = "chunks_", "embeddings_"
NEVER = timedelta(days=36_500)
"""As the age of versions to prune: none are."""


@dataclass(frozen=True, slots=True)
class Premises:
    """A lake to verify. `configured` names the index of the settings; asked for only if needed.

    `sources` are the URIs of the configured sources. `before` is the end of the retention: what
    is younger may still be at work.
    """

    lake: Lake
    database: LanceDatabase
    tables: Tables
    store: VectorStore
    registry: Registry
    configured: Callable[[], Index]
    sources: tuple[str, ...]
    before: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """What was read once at the beginning: all table names, and the manifest by `document_id`.

    `sources` names, for an index whose vectors are cut from another model's, that model.
    """

    names: frozenset[str]
    manifest: pl.DataFrame
    sources: Mapping[str, str]

    @property
    def indexes(self) -> list[str]:
        """The names of all indexes that have a table."""
        return self._after(CHUNKS)

    @property
    def embedders(self) -> list[str]:
        """The identities of all embedders that have a cache."""
        return self._after(EMBEDDINGS)

    def cache_of(self, index: str) -> str:
        """The embedder whose cache has the vectors of an index."""
        return self.sources.get(index) or embedder_of(index)

    def _after(self, prefix: str) -> list[str]:
        return sorted(name.removeprefix(prefix) for name in self.names if name.startswith(prefix))


def hold(premises: Premises) -> Held:
    """Reads the names of the tables and the manifest, the last row of each document."""
    columns = ("id", "uri", "version", "text_hash", "chunks", "size")
    manifest = premises.tables.documents.read(columns).unique("id", keep="last")
    names = {"id": "document_id", "version": "known_version", "text_hash": "document_text"}
    known = premises.registry.read().indexes
    return Held(
        frozenset(premises.database.names()),
        manifest.rename(names),
        {name: entry.cut_from for name, entry in known.items()},
    )


def embedder_of(index: str) -> str:
    """The identity of the embedder in an index's name."""
    return index.partition("_")[0]


def listed(frame: pl.DataFrame) -> list[tuple[str, str]]:
    """`subject, detail` of a frame's rows, in order."""
    return list(frame.select("subject", "detail").iter_rows())
