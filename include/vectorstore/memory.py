"""The reference VectorStore: indexes in this process's memory, every answer computed anew.

Text search is BM25 over lower-cased words, without stemming or stop words.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from include.documents import Hit
from include.embedding.protocol import FloatArray
from include.errors import LakeError
from include.filters import EVERYTHING, Scope, admits
from include.metadata import Field, Value
from include.metadata.fields import named, value_of
from include.storage.vector_forms import VECTOR, Form, decoded, encoded, require_form
from include.vectorstore.protocol import Published, chunk_schema
from include.vectorstore.ranking import TITLE_BOOST, ranked, searchable

# The usual constants of BM25, as in Lucene.
_K1, _B = 1.2, 0.75


@dataclass(frozen=True, slots=True)
class _Index:
    dimensions: int
    form: Form = "float32"
    version: int = 1
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)


class MemoryVectorStore:
    """A VectorStore without files; safe for the threads of one process."""

    def __init__(self) -> None:
        self._indexes: dict[str, _Index] = {}
        self._lock = threading.Lock()

    def create(self, index: str, dimensions: int, form: Form | None = None) -> None:
        """Makes an empty index; does nothing when it exists.

        Raises LakeError when the index exists with vectors of another length or in another form.
        """
        require_form(form or "float32", dimensions)
        found = self._indexes.setdefault(index, _Index(dimensions, form or "float32"))
        if found.form != (form or found.form):
            raise LakeError(f"Index {index!r} stores vectors as {found.form}, not as {form}.")
        if found.dimensions != dimensions:
            raise LakeError(
                f"Index {index!r} has no column 'vector' of {dimensions} float32; "
                f"its vectors have {found.dimensions}."
            )

    def drop(self, index: str) -> None:
        """Forgets an index; does nothing when there is none."""
        self._indexes.pop(index, None)

    def indexes(self) -> list[str]:
        """The names of all indexes, sorted."""
        return sorted(self._indexes)

    def count(self, index: str) -> int:
        """How many chunks the index holds; 0 when there is none."""
        return len(self._indexes.get(index, _Index(0)).rows)

    def revision(self, index: str) -> int:
        """Grows with every change; 0 when there is no such index."""
        return self._indexes.get(index, _Index(0, version=0)).version

    def rows(self, index: str, documents: Sequence[str] | None = None) -> pl.DataFrame:
        """`id, document_id, version, row_hash` of every chunk of these documents (all by default).

        Empty when there is no such index.
        """
        columns = ("id", "document_id", "version", "row_hash")
        held = self._indexes.get(index, _Index(0)).rows.values()
        wanted = None if documents is None else set(documents)
        return pl.DataFrame(
            [
                [row[column] for column in columns]
                for row in held
                if wanted is None or row["document_id"] in wanted
            ],
            schema=dict.fromkeys(columns, pl.String),
            orient="row",
        )

    def versions(self, index: str) -> pl.DataFrame:
        """`document_id, version`: every version of every document of which there are chunks."""
        return self.rows(index).select("document_id", "version").unique()

    def publish(self, index: str, upserts: pa.Table, stale: Sequence[str]) -> Published:
        """In one step: rows of `upserts` in (replacing equal ids), ids in `stale` out.

        Changes nothing and makes no version when there is nothing to do. Raises LakeError when
        there is no such index or its vectors have another length.
        """
        with self._lock:
            found = self._found(index)
            schema = chunk_schema(found.dimensions)
            if (
                upserts.num_rows
                and upserts.schema.field("vector").type != schema.field("vector").type
            ):
                raise LakeError(f"Index {index!r} holds vectors of {found.dimensions} float32.")
            new = {row["id"]: row for row in _stored(upserts, found.form).to_pylist()}
            gone = found.rows.keys() & set(stale) - new.keys()
            if not new and not gone:
                return Published(0, 0, 0, found.version)
            kept = {name: row for name, row in found.rows.items() if name not in gone}
            updated = len(new.keys() & kept.keys())
            # Readers hold the old value until this single assignment.
            self._indexes[index] = replace(found, version=found.version + 1, rows=kept | new)
            return Published(len(new) - updated, updated, len(gone), found.version + 1)

    def search_vector(
        self, index: str, vector: FloatArray, k: int, scope: Scope = EVERYTHING
    ) -> list[Hit]:
        """The `k` nearest chunks in scope by cosine similarity, best first; it is the score."""
        rows = [row for row in self._found(index).rows.values() if _within(scope, row)]
        if not rows:
            return []
        matrix = np.array([row["vector"] for row in rows], np.float32)
        lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(vector)
        return ranked(zip(rows, (matrix @ vector / lengths).tolist(), strict=True), k)

    def search_text(self, index: str, query: str, k: int, scope: Scope = EVERYTHING) -> list[Hit]:
        """The `k` best chunks in scope by BM25 over text, title and headings, best first."""
        rows = list(self._found(index).rows.values())
        bodies = [searchable(row["title"], row["heading"], row["text"]) for row in rows]
        body, title = bm25(query, bodies), bm25(query, [row["title"] for row in rows])
        scores = [one + TITLE_BOOST * other for one, other in zip(body, title, strict=True)]
        scored = zip(rows, scores, strict=True)
        return ranked(((row, score) for row, score in scored if score and _within(scope, row)), k)

    def optimize(self, index: str, older_than: timedelta | None = None) -> None:
        """Does nothing: there is nothing to compact."""

    def _found(self, index: str) -> _Index:
        if index not in self._indexes:
            raise LakeError(
                f"There is no index {index!r}; there are {', '.join(self.indexes()) or 'none'}."
            )
        return self._indexes[index]


def _stored(rows: pa.Table, form: Form) -> pa.Table:
    """The rows with what is left of their vectors in this form."""
    if form == "float32" or not rows.num_rows:
        return rows
    left = decoded(encoded(decoded(rows[VECTOR]), form)[VECTOR])
    at = rows.schema.get_field_index(VECTOR)
    return rows.set_column(at, rows.schema.field(at), encoded(left, "float32")[VECTOR])


def _within(scope: Scope, row: dict[str, Any]) -> bool:
    if not scope.may_read(row["acl"]):
        return False
    if scope.filter is None:
        return True
    entries = named(json.loads(row["metadata"]))

    def value(field: Field) -> Value | None:
        held: Value | None = row[field.column] if field.column else value_of(field, entries)
        return held

    return admits(scope.filter, value)


def bm25(query: str, texts: Sequence[str]) -> list[float]:
    """The BM25 score of each text (Robertson and Zaragoza 2009, with Lucene's positive idf)."""
    counts = [Counter(_words(text)) for text in texts]
    lengths = [sum(count.values()) for count in counts]
    mean = sum(lengths) / len(lengths) if any(lengths) else 1.0
    scores = [0.0] * len(texts)
    for word in set(_words(query)):
        holding = sum(word in count for count in counts)
        weight = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        for at, count in enumerate(counts):
            norm = _K1 * (1 - _B + _B * lengths[at] / mean)
            scores[at] += weight * count[word] * (_K1 + 1) / (count[word] + norm)
    return scores


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
