"""A LanceDB table with a key: one row per key, one commit per change, safe with many writers.

Every operation opens the newest version of its table (about 2 ms) and keeps to that version, so
a read never mixes two versions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias, cast

import polars as pl
import pyarrow as pa

from include.errors import LakeError
from include.storage import lookups
from include.storage.conflicts import persistently
from include.storage.lance_errors import translated

if TYPE_CHECKING:
    from lancedb.table import MergeResult, Table

    from include.storage.lance import LanceDatabase

Where: TypeAlias = Mapping[str, str | Sequence[str]]
Rows: TypeAlias = pl.DataFrame | pa.Table

# Lance's merge copies each piece of its source several times: 1,000 vectors of 6 KB cost it 30 ms in
# pieces that malloc keeps, 40 ms in one.
_PIECE_BYTES = 2 * 1024 * 1024
# lancedb has no way to say "compact, but prune nothing".
_NEVER = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Commit:
    """What one write did; `version` is the table's version afterwards, 0 without a table."""

    inserted: int
    updated: int
    deleted: int
    version: int


class KeyedTable:
    """Rows of one schema, at most one for each value of the key column.

    A write that another writer came before is made again, as `persistently` says: callers need not.
    """

    def __init__(self, database: LanceDatabase, name: str, schema: pa.Schema, key: str) -> None:
        self.database = database
        self.name = name
        self.schema = schema
        self.key = key

    def read(
        self, columns: Sequence[str] | None = None, where: Where | None = None
    ) -> pl.DataFrame:
        """The columns (all by default) of every row whose values equal, or are among, `where`."""
        selected = list(columns or self.schema.names)
        table = self.open()
        if table is None:
            return lookups.frame(self.schema.empty_table().select(selected))
        wanted = {name: [v] if isinstance(v, str) else v for name, v in (where or {}).items()}
        with translated(self.name):
            return lookups.matching(table, selected, wanted)

    def lookup(self, keys: Sequence[str], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows with these keys, in no particular order; absent keys have no row."""
        return lookups.frame(self.taken(keys, columns))

    def taken(self, keys: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
        """`lookup` in Arrow, which holds vectors without a copy."""
        selected = list(columns or self.schema.names)
        table = self.open() if keys else None
        if table is None:
            return self.schema.empty_table().select(selected)
        with translated(self.name):
            return lookups.of_keys(table, self.key, keys, selected)

    def present(self, keys: Collection[str]) -> set[str]:
        """Which of these keys have a row."""
        table = self.open() if keys else None
        if table is None:
            return set()
        with translated(self.name):
            return lookups.present(table, self.key, keys)

    def count(self) -> int:
        """How many rows there are."""
        table = self.open()
        with translated(self.name):
            return 0 if table is None else table.count_rows()

    def version(self) -> int:
        """Grows with every commit; 0 before the first."""
        table = self.open()
        with translated(self.name):
            return 0 if table is None else table.version

    def upsert(self, rows: Rows) -> Commit:
        """Inserts rows with new keys and replaces the others, in one commit.

        Of rows with equal keys the last counts. Writes nothing when there are no rows.
        """
        return self.replace(rows, ())

    def replace(self, rows: Rows, stale: Sequence[str]) -> Commit:
        """Upserts `rows` and deletes the keys in `stale`, which are not among them, in one commit.

        Writes nothing when there are no rows and none of the stale keys exists.
        """
        source = self._source(rows)
        if not source.num_rows:
            return self.delete(stale)

        def merge(into: Table) -> MergeResult:
            step = into.merge_insert(self.key).when_matched_update_all()
            step = step.when_not_matched_insert_all()
            if stale:
                step = step.when_not_matched_by_source_delete(lookups.among(self.key, stale))
            return step.execute(source)

        return self._merged(merge)

    def insert_missing(self, rows: Rows) -> Commit:
        """Inserts the rows whose key is new and leaves the others as they are.

        For content-addressed tables. Writes nothing when every key exists.
        """
        source = self._source(rows)
        keys = _series(source[self.key])
        known = self.present(keys.to_list())
        source = source.filter((~keys.is_in(known)).to_arrow())
        if not source.num_rows:
            return Commit(0, 0, 0, self.version())
        return self.insert_absent(source)

    def insert_absent(self, rows: Rows) -> Commit:
        """`insert_missing` for rows known to be new a moment ago: half the cost, always a commit.

        A row that another writer inserted since then stays as it is.
        """
        source = self._source(rows)
        return self._merged(
            lambda into: into.merge_insert(self.key).when_not_matched_insert_all().execute(source)
        )

    def append(self, rows: Rows) -> None:
        """`insert_absent` for rows that their key determines: half its cost, no conflicts.

        Writers that append a key at once leave a row each: `lookup` gives the first of them, and
        `optimize` deletes the others.
        """
        source = self._source(rows)

        def step() -> None:
            table = self.open() or self.create()
            with translated(self.name):
                table.add(source)

        persistently(step)

    def delete(self, keys: Sequence[str]) -> Commit:
        """Deletes the rows with these keys in one commit; writes nothing when there are none."""

        def step() -> Commit:
            present = sorted(self.present(keys))
            table = self.open()
            if table is None or not present:
                return Commit(0, 0, 0, self.version())
            with translated(self.name):
                done = table.delete(lookups.among(self.key, present))
            return Commit(0, 0, done.num_deleted_rows, done.version)

        return persistently(step)

    def optimize(self, older_than: timedelta | None = None) -> None:
        """Compacts small files, brings indexes up to date and prunes versions older than that.

        Of rows with equal keys the first stays. Prunes nothing by default, nor while a version is
        tagged: lancedb would stop half-way.
        """
        table = self.open()
        if table is None:
            return
        with translated(self.name):
            for rows in lookups.repeated(table, self.key):
                table.delete(rows)
            keep = older_than is None or table.tags.list()
            table.optimize(cleanup_older_than=_NEVER if keep else older_than)

    def open(self) -> Table | None:
        """The lancedb handle on the newest version; None before the first write.

        Raises LakeError when a column is missing or has another type.
        """
        table = self.database.open(self.name)
        if table is not None:
            with translated(self.name):
                self._refuse_other_columns(table.schema)
        return table

    def create(self) -> Table:
        """The lancedb handle on the table, made empty if there is none."""
        return self.database.create(self.name, self.schema, self.key)

    def _merged(self, merge: Callable[[Table], MergeResult]) -> Commit:
        """Merges into the table, which is made if there is none."""

        def step() -> MergeResult:
            table = self.open() or self.create()
            with translated(self.name):
                return merge(table)

        done = persistently(step)
        changed = (done.num_inserted_rows, done.num_updated_rows, done.num_deleted_rows)
        return Commit(*changed, done.version)

    def _refuse_other_columns(self, found: pa.Schema) -> None:
        for field in self.schema:
            if field.name not in found.names or field.type != found.field(field.name).type:
                raise LakeError(
                    f"Table {self.name!r} in {self.database.uri} has no column {field.name!r} of "
                    f"type {field.type}: another version of this platform, or something else, "
                    f"wrote it. Use that version, or another RAG_LAKE_URI."
                )

    def _source(self, rows: Rows) -> pa.Table:
        """The rows as Lance's merge needs them: exactly our schema, no two with the same key."""
        table = rows.to_arrow() if isinstance(rows, pl.DataFrame) else rows
        table = table.select(self.schema.names).cast(self.schema)
        keys = _series(table[self.key])
        if keys.n_unique() != len(keys):
            table = table.filter(keys.is_last_distinct().to_arrow())
        return _in_pieces(table)


def _in_pieces(table: pa.Table) -> pa.Table:
    rows = max(1, _PIECE_BYTES * table.num_rows // max(1, table.nbytes))
    return pa.Table.from_batches(table.to_batches(max_chunksize=rows), table.schema)


def _series(column: pa.ChunkedArray) -> pl.Series:
    return cast(pl.Series, pl.from_arrow(column))
