"""The record of a publish: the manifest learns what the index now holds, quarantine what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from include.stages.accepted import Accepted
from include.stages.rows import PREPARED
from include.storage.tables import Tables

MANIFEST = [
    name for name in PREPARED if name not in ("change", "released", "text", "blocks", "pages")
]


def record(accepted: Accepted, tables: Tables, *, run_id: str, now: datetime) -> None:
    """One commit to the manifest and at most one to the quarantine; repeating changes nothing."""
    gone = accepted.removed
    published = _published(accepted, run_id, now)
    rows = pl.concat([published, _touched(accepted, tables)])
    tables.documents.replace(rows, gone)
    rejected = accepted.rejected
    set_aside(rejected, tables, run_id, now, _settled(accepted, tables, rejected["id"]))


def _published(accepted: Accepted, run_id: str, now: datetime) -> pl.DataFrame:
    moment = pl.lit(now).dt.cast_time_unit("us")
    rows = [part.select(MANIFEST).collect() for part in accepted.document_parts()]
    return pl.concat([pl.DataFrame(schema={n: PREPARED[n] for n in MANIFEST}), *rows]).with_columns(
        pl.col("first_ingested").fill_null(moment), ingested=moment, run_id=pl.lit(run_id)
    )


def _touched(accepted: Accepted, tables: Tables) -> pl.DataFrame:
    """The manifest rows of documents that only got a new stamp, with that stamp."""
    stamps = accepted.touched
    rows = tables.documents.lookup(stamps["id"].to_list())
    return (
        rows.drop("stamp", "sidecar_stamp")
        .join(stamps, on="id")
        .select(*MANIFEST, "ingested", "run_id")
    )


def set_aside(
    rejected: pl.DataFrame, tables: Tables, run_id: str, now: datetime, leaving: Sequence[str] = ()
) -> None:
    """Puts REJECTED rows into quarantine, and takes the ids `leaving` out of it, in one commit."""
    moment = pl.lit(now).dt.cast_time_unit("us")
    rejected = rejected.filter(pl.col("reason") != "vanished")
    if rejected.is_empty() and not leaving:
        return
    before = tables.quarantine.lookup(rejected["id"].to_list(), ["id", "first_seen", "tries"])
    rows = rejected.join(before, on="id", how="left").with_columns(
        pl.col("first_seen").fill_null(moment),
        (pl.col("tries").fill_null(0) + 1).cast(pl.Int32).alias("tries"),
        last_seen=moment,
        run_id=pl.lit(run_id),
    )
    tables.quarantine.replace(rows, leaving)


def _settled(accepted: Accepted, tables: Tables, rejected: pl.Series) -> list[str]:
    """Ids that leave the quarantine: gone, or of files that were read without finding them bad.

    What a reviewer dropped leaves the index but stays here, so that it is not tried again.
    """
    held = tables.quarantine.read(["id", "file_id"])
    if held.is_empty():
        return []
    dropped = tables.reviews.read(["id"], {"decision": "drop"})["id"]
    read = pl.col("file_id").is_in(accepted.files.implode())
    gone = pl.col("id").is_in([*accepted.forgotten, *accepted.removed])
    stays = gone & pl.col("id").is_in(dropped.implode())
    stays &= ~pl.col("id").is_in(accepted.forgotten)
    kept = pl.col("id").is_in(rejected.implode()) | stays
    return held.filter((read | gone) & ~kept)["id"].sort().to_list()
