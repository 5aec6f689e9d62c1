"""The seam between the platform and vector databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import polars as pl
import pyarrow as pa

from include.documents import Hit
from include.embedding.protocol import FloatArray
from include.filters import EVERYTHING, Scope
from include.storage.vector_forms import Form


def chunk_schema(dimensions: int) -> pa.Schema:
    """The row of an index: a chunk, its provenance and its unit vector.

    `row_hash` covers every other column but `run_id` and `vector`: equal hashes need no write.
    `metadata` is a JSON object. `heading` is the heading path, outermost first. `page` counts
    from 1, 0 means none. `acl` holds the labels of which a reader needs one; none means everybody.
    """
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("document_id", pa.string(), nullable=False),
            pa.field("uri", pa.string(), nullable=False),
            pa.field("version", pa.string(), nullable=False),
            pa.field("title", pa.string(), nullable=False),
            pa.field("heading", pa.list_(pa.string()), nullable=False),
            pa.field("text", pa.string(), nullable=False),
            pa.field("text_hash", pa.string(), nullable=False),
            pa.field("start", pa.int32(), nullable=False),
            pa.field("end", pa.int32(), nullable=False),
            pa.field("tokens", pa.int32(), nullable=False),
            pa.field("page", pa.int32(), nullable=False),
            pa.field("context_start", pa.int32(), nullable=False),
            pa.field("context_end", pa.int32(), nullable=False),
            pa.field("acl", pa.list_(pa.string()), nullable=False),
            pa.field("language", pa.string(), nullable=False),
            pa.field("metadata", pa.string(), nullable=False),
            pa.field("row_hash", pa.string(), nullable=False),
            pa.field("run_id", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False),
        ]
    )


@dataclass(frozen=True, slots=True)
class Published:
    """What one publish did: rows inserted, replaced and deleted; the table version it made."""

    inserted: int
    updated: int
    deleted: int
    version: int


class VectorStore(Protocol):
    """Holds indexes: named tables of chunk rows, searchable by vector and by text."""

    def create(self, index: str, dimensions: int, form: Form | None = None) -> None:
        """Makes an empty index with its full-text index; does nothing when it exists.

        It stores its vectors in this form, float32 by default, and searches what it stores.

        An index made under other declared fields is brought to those of this store, from the
        metadata that its rows hold.
        """
        ...

    def drop(self, index: str) -> None:
        """Deletes an index and its files; does nothing when there is none."""
        ...

    def indexes(self) -> list[str]:
        """The names of all indexes, sorted."""
        ...

    def count(self, index: str) -> int:
        """How many chunks the index holds."""
        ...

    def revision(self, index: str) -> int:
        """Another number after every commit to the index, a larger one; 0 when there is none."""
        ...

    def rows(self, index: str, documents: Sequence[str] | None = None) -> pl.DataFrame:
        """`id, document_id, version, row_hash` of every chunk of these documents (all by default)."""
        ...

    def versions(self, index: str) -> pl.DataFrame:
        """`document_id, version`: every version of every document of which there are chunks."""
        ...

    def publish(self, index: str, upserts: pa.Table, stale: Sequence[str]) -> Published:
        """In one atomic commit: rows of `upserts` in (replacing equal ids), ids in `stale` out.

        `upserts` has `chunk_schema` and unique ids, disjoint from `stale`. Writes nothing and
        makes no version when both are empty. A reader sees all of it or none of it. Vectors come as
        float32 whatever the index stores.
        """
        ...

    def search_vector(
        self, index: str, vector: FloatArray, k: int, scope: Scope = EVERYTHING
    ) -> list[Hit]:
        """The `k` nearest chunks in scope by cosine similarity, best first; it is the score.

        The similarity is to the vectors as they are stored. What is out of scope is left out before the `k` are chosen.
        """
        ...

    def search_text(self, index: str, query: str, k: int, scope: Scope = EVERYTHING) -> list[Hit]:
        """The `k` best chunks in scope by BM25 over text, title and headings, best first.

        What is out of scope is left out before the `k` are chosen; its words count in the weights.
        """
        ...

    def optimize(self, index: str, older_than: timedelta | None = None) -> None:
        """Compacts small files and brings the full-text and vector indexes up to date.

        Without `older_than` only as far as search gains from it at once, for calls after every
        publish. With it completely, and versions older than that are pruned.
        """
        ...
