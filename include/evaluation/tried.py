"""An index of each option, made of chunks that exist, and scales to weigh its vectors on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from include.documents import Hit
from include.embedding.protocol import FloatArray
from include.embedding.shortened import shortened
from include.evaluation.options import Option
from include.filters import EVERYTHING, Scope
from include.storage.lance import LanceDatabase
from include.storage.vector_forms import encoded, fields
from include.vectorstore.lance import LanceVectorStore
from include.vectorstore.protocol import VectorStore, chunk_schema

_WEIGHED = "weighed"


class Texts(LanceVectorStore):
    """A store for options, whose texts lie in another one; each question is asked there once."""

    def __init__(self, database: LanceDatabase, texts: VectorStore, index: str) -> None:
        super().__init__(database)
        self._texts = texts
        self._other = index
        self._known: dict[tuple[str, int], list[Hit]] = {}

    def search_text(self, index: str, query: str, k: int, scope: Scope = EVERYTHING) -> list[Hit]:  # noqa: ARG002
        """The hits of the other store; without a scope, as evaluations ask."""
        if (query, k) not in self._known:
            self._known[query, k] = self._texts.search_text(self._other, query, k)
        return self._known[query, k]


@dataclass(frozen=True, slots=True)
class Made:
    """An index of each option, and beside it a table of nothing but its vectors, to be weighed."""

    folder: Path
    store: Texts
    options: Sequence[Option]

    def __post_init__(self) -> None:
        for option in self.options:
            self.store.create(option.name, option.dimensions, option.form)

    def add(self, rows: pl.DataFrame, vectors: FloatArray) -> None:
        """Appends chunks, and their whole vectors, to each option."""
        for option in self.options:
            own = shortened(vectors, option.dimensions)
            self.store.publish(option.name, chunk_rows(rows, own), [])
            _weigh(self.folder, option, own)

    def bytes(self, option: Option) -> int:
        """What the option's vectors take on disk, and their search index if it has grown one."""
        handle = LanceDatabase(self.folder.as_uri()).open(f"chunks_{option.name}")
        indexes = handle.list_indices() if handle is not None else []
        places = [self.folder / _WEIGHED / f"{option.name}.lance" / "data"]
        if any(each.index_type != "FTS" for each in indexes):
            places.append(self.folder / f"chunks_{option.name}.lance" / "_indices")
        files = (file for place in places for file in place.rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files)


def _weigh(folder: Path, option: Option, vectors: FloatArray) -> None:
    """Appends the vectors to a table that has no other column."""
    import lancedb

    schema = pa.schema(fields(option.form, option.dimensions))
    scales = lancedb.connect(folder / _WEIGHED)
    table = scales.create_table(option.name, schema=schema, exist_ok=True)
    table.add(pa.table(encoded(vectors, option.form), schema=schema))


def chunk_rows(rows: pl.DataFrame, vectors: FloatArray) -> pa.Table:
    """Rows of an index with ids, addresses and vectors only: what a vector search has to tell."""
    schema = chunk_schema(vectors.shape[1])
    count = len(rows)
    given = {
        "id": rows["id"].to_arrow().cast(pa.string()),
        "uri": rows["uri"].to_arrow().cast(pa.string()),
        **encoded(vectors, "float32"),
        "metadata": pa.array(["{}"] * count, pa.string()),
    }
    columns = [
        given[each.name] if each.name in given else _nothing(each.type, count) for each in schema
    ]
    return pa.table(columns, schema=schema)


def _nothing(kind: pa.DataType, count: int) -> pa.Array:
    nothing: object = 0 if pa.types.is_integer(kind) else "" if pa.types.is_string(kind) else []
    return pa.array([nothing] * count, kind)
