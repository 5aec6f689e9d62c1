"""Keys that a table holds twice, although every table holds each key at most once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import polars as pl

from include.storage.lance import LanceDatabase
from include.storage.scans import ROW, Scan, delete_rows
from include.storage.tables import Tables
from include.verification.chunks import Examined
from include.verification.embeddings import Cached
from include.verification.premises import CHUNKS, EMBEDDINGS, Held
from include.verification.problems import Finding, Repair


def table_key_findings(tables: Tables) -> Iterator[Finding]:
    """Keys twice in the lake's own tables; the row written last is kept."""
    for table in (
        tables.documents,
        tables.texts,
        tables.signatures,
        tables.quarantine,
        tables.reviews,
    ):
        scan = Scan.of(tables.database, table.name)
        if scan is not None:
            rows = scan.frame([table.key]).rename({table.key: "key"}).sort(ROW)
            yield from _twice(tables.database, table.name, rows)


def chunk_key_findings(
    database: LanceDatabase, held: Held, examined: Sequence[Examined]
) -> Iterator[Finding]:
    """Chunk ids twice in an index; a sound row of the manifest's version is kept."""
    versions = held.manifest.select("document_id", "known_version")
    for each in examined:
        rows = each.keys.join(versions, on="document_id", how="left").with_columns(
            good=(pl.col("version") == pl.col("known_version")).fill_null(False),
            key="id",
        )
        best = rows.sort("good", "genuine", "fitting", "sound", ROW)
        yield from _twice(database, CHUNKS + each.index, best)


def cache_key_findings(database: LanceDatabase, caches: Sequence[Cached]) -> Iterator[Finding]:
    """Texts twice in a cache; a sound vector is kept."""
    for each in caches:
        rows = each.rows.rename({"text_hash": "key"}).sort("sound", ROW)
        yield from _twice(database, EMBEDDINGS + each.embedder, rows)


def _twice(database: LanceDatabase, name: str, rows: pl.DataFrame) -> Iterator[Finding]:
    """Keys that more than one row has; of the rows, sorted, the last is the one to keep."""
    surplus = rows.filter(~pl.col("key").is_last_distinct())
    if surplus.height:
        counted = surplus.group_by("key").len().sort("key")
        subjects = [
            (key, f"Table {name} holds it {n + 1} times.") for key, n in counted.iter_rows()
        ]
        yield Finding("duplicate_key", subjects, partial(_delete, database, name, surplus))


def _delete(database: LanceDatabase, name: str, surplus: pl.DataFrame) -> Repair:
    delete_rows(database, name, surplus[ROW].to_list())
    return Repair("One row was kept, the others were deleted.")
