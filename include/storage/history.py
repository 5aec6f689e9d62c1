"""What LanceDB tables keep beside their newest rows: earlier versions, and files behind both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import polars as pl

from include.errors import LakeError
from include.storage.conflicts import persistently
from include.storage.lance_errors import translated
from include.storage.vector_forms import VECTOR, Vectors, decoded

if TYPE_CHECKING:
    from lancedb.expr import Expr
    from lancedb.table import Table

    from include.storage.lake_files import LakeFile
    from include.storage.lance import LanceDatabase

UNFINISHED = timedelta(hours=1)
"""A file that no version names belongs to a write in flight; after this long, to a dead one."""

_KEYS_IN_A_DELETE = 5_000
# lancedb warns of zero. By then, whoever read the versions before the last has been waited for.
_AT_ONCE = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge removed of one table.

    `rewritten` counts the rows that were written anew, `unfinished` the files that stayed because
    a write in flight may need them.
    """

    rewritten: int
    versions: int
    tags: int
    files: int
    unfinished: int


def versions(database: LanceDatabase, name: str) -> Iterator[Table]:
    """A handle on every version of the table that can still be read, the newest first."""
    for number in reversed(_numbers(database, name)):
        handle = database.open(name)
        if handle is None:
            return
        try:
            with translated(name):
                handle.checkout(number)
        except LakeError:
            if number in _numbers(database, name):
                raise
            continue  # pruned a moment ago
        yield handle


def rows(handle: Table, columns: Sequence[str], among: Expr) -> pl.DataFrame:
    """These columns of the rows for which the expression is true."""
    with translated(handle.name):
        found = handle.search().where(among).select(list(columns)).limit(None).to_arrow()
    return pl.DataFrame(pl.from_arrow(found))


def few_vectors(handle: Table, among: Expr, most: int) -> Vectors:
    """Some vectors of the rows for which the expression is true, of shape (rows, dimensions)."""
    with translated(handle.name):
        found = handle.search().where(among).select([VECTOR]).limit(most).to_arrow()
    return decoded(found[VECTOR])


def delete_among(database: LanceDatabase, name: str, column: str, values: Sequence[str]) -> int:
    """Deletes the rows whose column is among the values; how many. No commit when none is."""
    from lancedb.expr import col

    def delete(part: Sequence[str]) -> int:
        table = database.open(name)
        if table is None:
            return 0
        among = col(column).isin(part)
        with translated(name):
            if not table.count_rows(among.to_sql()):
                return 0
            return int(table.delete(among).num_deleted_rows)

    deleted = 0
    for start in range(0, len(values), _KEYS_IN_A_DELETE):
        part = list(values[start : start + _KEYS_IN_A_DELETE])
        deleted += persistently(lambda part=part: delete(part))  # type: ignore[misc]
    return deleted


def rewrite(database: LanceDatabase, name: str) -> int:
    """Writes every row into new data files if rows were deleted from the old ones; how many.

    A deleted row stays in its file, only marked: compaction takes it out when many are deleted,
    this always. It is one transaction, so that other writers lose nothing.
    """

    def step() -> int:
        table = database.open(name)
        if table is None:
            return 0
        with translated(name):
            if not _deletions(table):
                return 0
            # An update of any column writes whole rows.
            column = table.schema.names[0]
            return int(table.update(values_sql={column: column}).rows_updated)

    return persistently(step)


def prune(database: LanceDatabase, name: str, now: datetime) -> Purged:
    """Compacts, removes every tag and every version but the newest, and dead writes' files."""
    before = len(_numbers(database, name))
    files = len(table_files(database, name))
    tags = 0
    table = database.open(name)
    if table is not None:
        with translated(name):
            for tag in table.tags.list():
                table.tags.delete(tag)
                tags += 1
        persistently(lambda: _optimize(database, name))
    stray = _unreferenced(database, name)
    dead = [each.path for each in stray if each.modified < (now - UNFINISHED).timestamp()]
    database.files.delete(dead)
    left = len(table_files(database, name))
    return Purged(
        rewritten=0,
        versions=max(0, before - len(_numbers(database, name))),
        tags=tags,
        files=max(0, files - left),
        unfinished=len(stray) - len(dead),
    )


def table_files(database: LanceDatabase, name: str) -> Sequence[LakeFile]:
    """Every file of a table: data, deletions, indexes, versions."""
    return database.files.list(f"{name}.lance")


def _optimize(database: LanceDatabase, name: str) -> None:
    table = database.open(name)
    if table is not None:
        with translated(name):
            table.optimize(cleanup_older_than=_AT_ONCE)


def _numbers(database: LanceDatabase, name: str) -> list[int]:
    table = database.open(name)
    with translated(name):
        return sorted(int(each["version"]) for each in table.list_versions()) if table else []


def _deletions(table: Table) -> int:
    newest = max(table.list_versions(), key=lambda each: int(each["version"]))
    return int(newest["metadata"]["total_deletion_files"])


def _unreferenced(database: LanceDatabase, name: str) -> list[LakeFile]:
    """Data and index files that no remaining version names: of writes that never were committed.

    A version's manifest names data files by name, indexes by the bytes of their UUID.
    """
    inside = len(f"{name}.lance/")
    files = [(each, each.path[inside:].split("/")) for each in table_files(database, name)]
    # After the files: what is committed meanwhile is named then.
    versions = database.files.list(f"{name}.lance/_versions")
    named = b"".join(database.files.read(each.path) or b"" for each in versions)
    return [
        each
        for each, parts in files
        if (parts[0] == "data" and len(parts) == 2 and parts[1].encode() not in named)
        or (parts[0] == "_indices" and len(parts) > 2 and _uuid(parts[1]) not in named)
    ]


def _uuid(name: str) -> bytes:
    """The bytes of an index's UUID; of any other name, its own."""
    try:
        return UUID(name).bytes
    except ValueError:
        return name.encode()
