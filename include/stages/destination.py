"""Where a run is published to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.embedding.cache import EmbeddingCache
from include.storage.publishing import PublishMarks
from include.storage.registry import Registry
from include.storage.tables import Tables
from include.storage.vector_forms import Form
from include.vectorstore.protocol import VectorStore


@dataclass(frozen=True, slots=True)
class Destination:
    """The index and what names it, its store, the tables beside it.

    `embedder` and `chunker` are identities, `settings` the values that make the index, `vectors` the
    form in which it stores them.
    """

    index: str
    embedder: str
    chunker: str
    dimensions: int
    store: VectorStore
    cache: EmbeddingCache
    tables: Tables
    registry: Registry
    marks: PublishMarks
    settings: Mapping[str, str]
    vectors: Form

    @property
    def facts(self) -> dict[str, Any]:
        """What the registry keeps of the index: everything that makes it what it is."""
        return {
            "embedder": self.embedder,
            "chunker": self.chunker,
            "dimensions": self.dimensions,
            "settings": self.settings,
            "vectors": self.vectors,
            "cut_from": self.cache.source,
        }
