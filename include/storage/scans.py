"""One version of a LanceDB table, row by row: for whoever looks at all of it, duplicates included.

A row number names a row of one version. Compaction and updates give rows new numbers and never use
an old one again, so that a deletion by number removes the row that was meant, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import polars as pl
import pyarrow as pa

from include.storage.lance import LanceDatabase
from include.storage.lance_errors import translated
from include.storage.vector_forms import Form, dimensions_of, form_of

if TYPE_CHECKING:
    from lancedb.table import Table

ROW = "_rowid"
# A longer list of keys in one filter costs more than another commit.
_KEYS_PER_COMMIT = 2_000


class Scan:
    """The newest version of a table when the scan was opened; later commits do not show."""

    def __init__(self, name: str, handle: Table) -> None:
        self.name = name
        self.handle = handle

    @classmethod
    def of(cls, database: LanceDatabase, name: str) -> Scan | None:
        """The scan of the table of that name; None when there is none."""
        handle = database.open(name)
        return None if handle is None else cls(name, handle)

    @property
    def dimensions(self) -> int:
        """The length of the table's vectors."""
        return dimensions_of(self.handle.schema)

    @property
    def form(self) -> Form:
        """The form in which the table has its vectors."""
        return form_of(self.handle.schema)

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """The columns and `_rowid` of every row, at most `rows` of them in memory at a time."""
        with translated(self.name):
            query = self.handle.search().select([*columns, ROW]).with_row_id(True).limit(None)
            yield from query.to_batches(batch_size=rows)

    def frame(self, columns: Sequence[str]) -> pl.DataFrame:
        """The columns and `_rowid` of every row at once."""
        with translated(self.name):
            query = self.handle.search().select([*columns]).with_row_id(True).limit(None)
            return cast(pl.DataFrame, pl.from_arrow(query.to_arrow()))

    def take(self, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The columns of the rows with these numbers, in no particular order."""
        with translated(self.name):
            return self.handle.take_row_ids(list(rows)).select([*columns]).to_arrow()

    def count(self) -> int:
        """How many rows there are."""
        with translated(self.name):
            return int(self.handle.count_rows())


def owned(batch: pa.RecordBatch, columns: Sequence[str]) -> pl.DataFrame:
    """These columns of a batch, copied: whoever kept one of its own would keep all of the batch."""
    whole = batch.select(list(columns))
    return cast(pl.DataFrame, pl.from_arrow(whole.take(pa.array(range(batch.num_rows)))))


def assign(
    database: LanceDatabase, name: str, keys: tuple[str, Sequence[str]], values: Mapping[str, str]
) -> None:
    """Sets columns of the rows whose key is among those given; other columns stay as they are.

    `keys` are the key's column and its values. A row that is gone meanwhile does not come back.
    """
    from lancedb.expr import col

    table = database.open(name)
    if table is None:
        return
    column, wanted = keys
    for at in range(0, len(wanted), _KEYS_PER_COMMIT):
        with translated(name):
            some = list(wanted[at : at + _KEYS_PER_COMMIT])
            table.update(where=col(column).isin(some), values=dict(values))


def delete_rows(database: LanceDatabase, name: str, rows: Sequence[int]) -> None:
    """Deletes the rows with these numbers; one that was rewritten meanwhile stays."""
    from lancedb.expr import col

    table = database.open(name)
    if table is None:
        return
    for at in range(0, len(rows), _KEYS_PER_COMMIT):
        with translated(name):
            table.delete(col(ROW).isin(list(rows[at : at + _KEYS_PER_COMMIT])))


def replace_vectors(
    database: LanceDatabase, name: str, keys: tuple[str, pa.Array], vectors: Mapping[str, pa.Array]
) -> None:
    """Gives the rows with these keys other vectors, one for each; other columns stay as they are.

    `keys` are the key's column and its values, `vectors` columns in the table's form, as `encoded`
    makes them. A key without a row is passed over.
    """
    column, wanted = keys
    # The merge needs columns as strict as they are in the table.
    columns = {column: wanted, **vectors}
    schema = pa.schema([pa.field(k, v.type, nullable=False) for k, v in columns.items()])
    table = database.open(name)
    if table is not None and len(wanted):
        with translated(name):
            merge = table.merge_insert(column).when_matched_update_all()
            merge.execute(pa.table(list(columns.values()), schema=schema))
