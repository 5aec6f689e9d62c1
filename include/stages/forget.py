"""Forgetting what nobody refers to: texts, signatures, and vectors that were kept long enough.

What a run prepared stays as long as the run's artifacts do: they are its claim on texts and vectors.
So nothing that a running or retried run needs is ever forgotten, whatever its age.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from include.observability.log import stage
from include.storage.claims import text_hashes
from include.storage.history import delete_among
from include.storage.keyed import KeyedTable
from include.storage.lake import Lake
from include.storage.tables import Tables

if TYPE_CHECKING:
    from include.storage.lance import LanceDatabase

CHUNKS, CACHES = "chunks_", "embeddings_"
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows were forgotten."""

    texts: int
    signatures: int
    vectors: int


def forget(
    lake: Lake, database: LanceDatabase, *, vectors_before: datetime | None = None
) -> Forgotten:
    """Deletes texts and signatures of no document, and unused vectors made before that moment.

    Without a moment vectors stay for ever: they were paid for. Run it after `prune`, whose
    artifacts hold on to what they name.
    """
    tables = Tables(database)
    with stage("forget") as event:
        done = Forgotten(
            texts=forget_unused(tables.texts, lambda: _documents_texts(tables, lake)),
            signatures=forget_unused(tables.signatures, lambda: _documents_texts(tables, lake)),
            vectors=_expire(database, lake, vectors_before) if vectors_before else 0,
        )
        event |= {"texts": done.texts, "signatures": done.signatures, "vectors": done.vectors}
    return done


def unused_vectors(database: LanceDatabase, lake: Lake) -> int:
    """How many cached vectors no chunk of any index and no run refers to."""
    needed = _chunk_texts(database, lake)
    return sum(
        len(set(column(database, name, "text_hash")) - needed)
        for name in database.names()
        if name.startswith(CACHES)
    )


def column(database: LanceDatabase, name: str, of: str) -> pl.Series:
    """One column of a table, all rows; empty without the table."""
    handle = database.open(name)
    if handle is None:
        return pl.Series(of, dtype=pl.String)
    return pl.Series(of, handle.search().select([of]).limit(None).to_arrow()[of])


def forget_unused(table: KeyedTable, needed: Callable[[], Set[str]]) -> int:
    """Deletes the rows whose key nobody needs; how many. One that is needed by then is put back."""
    unused = sorted(set(table.read([table.key])[table.key]) - needed())
    forgotten = 0
    for start in range(0, len(unused), _AT_ONCE):
        rows = table.lookup(unused[start : start + _AT_ONCE])
        table.delete(rows[table.key].to_list())
        # A run that found a text here a moment ago, and so did not store it, has named it by now.
        again = rows.filter(pl.col(table.key).is_in(sorted(needed())))
        table.insert_missing(again)
        forgotten += rows.height - again.height
    return forgotten


def _expire(database: LanceDatabase, lake: Lake, before: datetime) -> int:
    needed = sorted(_chunk_texts(database, lake))
    expired = 0
    for name in database.names():
        handle = database.open(name) if name.startswith(CACHES) else None
        if handle is not None:
            found = handle.search().select(["text_hash", "created_at"]).limit(None).to_arrow()
            old = pl.DataFrame(pl.from_arrow(found)).filter(
                (pl.col("created_at") < before) & ~pl.col("text_hash").is_in(needed)
            )
            expired += delete_among(database, name, "text_hash", old["text_hash"].to_list())
    return expired


def _documents_texts(tables: Tables, lake: Lake) -> set[str]:
    # Artifacts first: what a run publishes in between is in one of the two.
    claimed = text_hashes(lake, lake.runs())
    return claimed | set(tables.documents.read(["text_hash"])["text_hash"])


def _chunk_texts(database: LanceDatabase, lake: Lake) -> set[str]:
    found = text_hashes(lake, lake.runs())
    for name in database.names():
        if name.startswith(CHUNKS):
            found |= set(column(database, name, "text_hash"))
    return found
