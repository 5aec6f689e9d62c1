"""Indexes in LanceDB: one table each, exact vector search while small, BM25 beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from include.documents import Hit
from include.embedding.protocol import FloatArray
from include.errors import CommitConflictError, LakeError
from include.filters import EVERYTHING, Scope
from include.metadata import NO_FIELDS, Fields
from include.observability.log import warn
from include.storage.conflicts import persistently
from include.storage.lance import KeyedTable, LanceDatabase
from include.storage.lance_errors import translated
from include.storage.vector_forms import (
    VECTOR,
    Form,
    dimensions_of,
    fields,
    form_of,
    require_form,
)
from include.vectorstore import (
    lance_fields,
    lance_filters,
    lance_indexes,
    lance_text,
    lance_vectors,
)
from include.vectorstore.protocol import Published, chunk_schema
from include.vectorstore.ranking import ranked

if TYPE_CHECKING:
    from lancedb.table import Table

_PREFIX = "chunks_"
# Equal scores at the cut are decided by id among this many more.
_TIES = 16
# Compacts completely, but prunes nothing.
_NEVER = timedelta(days=36_500)


class LanceVectorStore:
    """A VectorStore whose indexes are tables of one LanceDB database.

    `fields` are the metadata fields that a search can filter on.
    """

    def __init__(self, database: LanceDatabase, fields: Fields = NO_FIELDS) -> None:
        self._database = database
        self._fields = fields

    def create(self, index: str, dimensions: int, form: Form | None = None) -> None:
        """Makes an empty index with its full-text index; completes one that was interrupted.

        An index that lacks the column of a declared field gets it, filled from the metadata of
        its rows. Raises LakeError when the index exists with vectors of another length or in
        another form, ConfigurationError for a form that such vectors cannot have.
        """
        columns = self._vectors(index, dimensions, form)
        table = self._index(index, columns)

        def completed() -> int:
            handle = table.open() or self._filterable(index, columns).create()
            with translated(table.name):
                filled = lance_fields.adapt(handle, self._fields)
                lance_indexes.ensure_text_indexes(handle, lance_text.INDEXED)
            return filled

        # Whoever creates the same index at once builds some of it: look again, build what is left.
        if persistently(completed):
            # Rows with a new column are in no index until it is renewed.
            self.optimize(index, _NEVER)

    def drop(self, index: str) -> None:
        """Deletes an index and its files; does nothing when there is none."""
        self._database.drop(_PREFIX + index)

    def indexes(self) -> list[str]:
        """The names of all indexes, sorted."""
        names = self._database.names()
        return [name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)]

    def count(self, index: str) -> int:
        """How many chunks the index holds; 0 when there is none."""
        return self._index(index).count()

    def revision(self, index: str) -> int:
        """The version of its table: grows with every commit, upkeep's too; 0 when there is none."""
        return self._index(index).version()

    def rows(self, index: str, documents: Sequence[str] | None = None) -> pl.DataFrame:
        """`id, document_id, version, row_hash` of every chunk of these documents (all by default).

        Empty when there is no such index.
        """
        where = None if documents is None else {"document_id": documents}
        return self._index(index).read(["id", "document_id", "version", "row_hash"], where)

    def versions(self, index: str) -> pl.DataFrame:
        """`document_id, version`: every version of every document of which there are chunks.

        Empty when there is no such index.
        """
        return self._index(index).read(["document_id", "version"]).unique()

    def publish(self, index: str, upserts: pa.Table, stale: Sequence[str]) -> Published:
        """In one atomic commit: rows of `upserts` in (replacing equal ids), ids in `stale` out.

        Writes nothing and makes no version when there is nothing to do. Raises LakeError when
        there is no such index or its vectors have another length.
        """
        handle = self._opened(index)
        form, dimensions = form_of(handle.schema), dimensions_of(handle.schema)
        table = self._filterable(index, fields(form, dimensions))
        if upserts.num_rows:
            _refuse_other_vectors(index, upserts, dimensions)
            upserts = lance_vectors.in_form(upserts, form)
            upserts = lance_text.with_searchable(upserts)
            upserts = lance_fields.complete(upserts, self._fields)
        else:
            upserts = table.schema.empty_table()
        done = table.replace(upserts, stale)
        return Published(done.inserted, done.updated, done.deleted, done.version)

    def search_vector(
        self, index: str, vector: FloatArray, k: int, scope: Scope = EVERYTHING
    ) -> list[Hit]:
        """The `k` nearest chunks in scope by cosine similarity, best first; it is the score.

        The similarity is to the vectors as they are stored.
        """
        handle = self._opened(index)
        where = lance_filters.where(scope, index, handle)
        with translated(index):
            found = lance_vectors.nearest(handle, vector, max(k, 0) + _TIES, where)
        return ranked(found, k)

    def search_text(self, index: str, query: str, k: int, scope: Scope = EVERYTHING) -> list[Hit]:
        """The `k` best chunks in scope by BM25 over text, title and headings, best first.

        Any text is a query; none of it is syntax. Chunks are found from the moment of their
        commit; until the next `optimize` their words count in the scores, but not in the weights.
        """
        handle = self._opened(index)
        where = lance_filters.where(scope, index, handle)
        with translated(index):
            found = lance_text.matching(handle, query, max(k, 0) + _TIES, where)
        return ranked(found, k)

    def optimize(self, index: str, older_than: timedelta | None = None) -> None:
        """Compacts small files and brings the full-text and vector indexes up to date.

        Without `older_than` only when search gains from it, for calls after every publish. With it
        always, and versions older than that are pruned. Another writer that optimizes the index at
        the same time is no error: it does this work, and search is right without it.
        """
        try:
            self._optimize(index, older_than)
        except CommitConflictError as conflict:
            warn(f"{conflict} The index {index!r} is optimized by whoever came first.")

    def _optimize(self, index: str, older_than: timedelta | None) -> None:
        handle = self._opened(index)
        table = self._index(index)
        with translated(index):
            if lance_indexes.is_mostly_unindexed(handle, lance_text.SEARCHABLE.name):
                for column in lance_text.INDEXED:
                    lance_indexes.build_text_index(handle, column)
            if older_than is not None or lance_indexes.is_due(handle, lance_text.SEARCHABLE.name):
                table.optimize(older_than)
            # On what the compaction left: an index of what was before would be in its way.
            lance_indexes.ensure_vector_index(self._opened(index))

    def _vectors(self, index: str, dimensions: int, form: Form | None) -> list[pa.Field]:
        """The columns of vectors: in the form asked for, or that which the index has."""
        if form is None:
            handle = self._database.open(_PREFIX + index)
            form = "float32" if handle is None else form_of(handle.schema)
        require_form(form, dimensions)
        return fields(form, dimensions)

    def _index(self, index: str, vectors: Sequence[pa.Field] = ()) -> KeyedTable:
        """The table behind an index; without its columns of vectors, for any other column."""
        schema = chunk_schema(1)
        schema = schema.remove(schema.get_field_index(VECTOR))
        for field in (*vectors, lance_text.SEARCHABLE):
            schema = schema.append(field)
        return self._database.table(_PREFIX + index, schema, "id")

    def _filterable(self, index: str, vectors: Sequence[pa.Field]) -> KeyedTable:
        """The table with the columns of the declared fields, as rows are written to it."""
        full = self._index(index, vectors).schema
        for field in lance_fields.schema(self._fields):
            full = full.append(field)
        return self._database.table(_PREFIX + index, full, "id")

    def _opened(self, index: str) -> Table:
        handle = self._index(index).open()
        if handle is None:
            raise LakeError(
                f"There is no index {index!r} in {self._database.uri}; "
                f"there are {', '.join(self.indexes()) or 'none'}. Run a sync first."
            )
        return handle


def lagging(handle: Table) -> dict[str, int]:
    """Columns of an index's table whose search index is missing or far behind, with its rows."""
    with translated(handle.name):
        return lance_indexes.lagging(handle, lance_text.INDEXED)


def _refuse_other_vectors(index: str, upserts: pa.Table, dimensions: int) -> None:
    found = upserts.schema.field("vector").type
    if found != pa.list_(pa.float32(), dimensions):
        raise LakeError(
            f"Index {index!r} holds vectors of {dimensions} float32, not {found}: "
            f"they come from another embedder, which needs an index of its own."
        )
