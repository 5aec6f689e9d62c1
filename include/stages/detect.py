"""Stage 1: what differs between the source and the manifest. Opens no document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from include.errors import SourceError
from include.manifest import Differ, Difference
from include.observability.log import stage
from include.stages.changes import Changes, DetectOptions, Lists, written
from include.stages.enriched import stale
from include.stages.interrupted import Interrupted
from include.storage.artifacts import Artifacts
from include.storage.source import LISTING, Source, listing_batches
from include.storage.tables import Tables

LISTED_AT_ONCE = 50_000
"""Listed objects that are compared with the manifest at once: 30 MB of them."""

STAMPS = ("id", "stamp", "sidecar_stamp")


def detect(
    sources: Sequence[Source],
    tables: Tables,
    artifacts: Artifacts,
    options: DetectOptions,
    interrupted: Interrupted | None = None,
) -> Changes:
    """Lists every source completely and compares it with the manifest.

    With `interrupted`, the index is compared as well. Writes nothing when they agree. Raises
    SourceError when a source cannot be listed: a partial listing must not delete anything.
    """
    with stage("detect", run=options.run_id) as event:
        manifest = tables.documents.read(
            [*STAMPS, "file_id", *(["version", "chunks"] if interrupted else [])]
        )
        quarantine = tables.quarantine.read([*STAMPS, "file_id", "version"])
        distrusted = [_retried(quarantine)]
        unsettled = unrecorded = pl.Series("id", dtype=pl.String())
        if interrupted:
            unsettled = interrupted.unsettled(manifest)
            unrecorded = interrupted.unrecorded(manifest)
            again = pl.col("id").is_in(unsettled.implode())
            distrusted.append(manifest.filter(again)["file_id"])
        enriched = stale(tables)
        if len(enriched):
            files = manifest.filter(pl.col("id").is_in(enriched.implode()))["file_id"]
            distrusted.append(files)
        differ = Differ(_files(manifest), _refused_files(quarantine))
        holding: set[str] = set()
        for batch in _listing(sources):
            holding |= {*batch["source"].unique()}
            anew = options.reread or options.rebuild
            differ.take(_unstamped(batch, None if anew else pl.concat(distrusted)))
        found = differ.difference()
        gone = _removed(found, manifest, quarantine, tables)
        forgotten = _forgotten(found, manifest, quarantine)
        emptied = _emptied(gone, sources, holding)
        lists = Lists(gone, unrecorded, forgotten, unsettled, enriched, emptied)
        changes = written(found, lists, manifest.height, artifacts, options)
        event |= {
            name: getattr(changes, name)
            for name in ("listed", "added", "touched", "removed", "unchanged", "held", "withheld")
        }
    return changes


def _listing(sources: Sequence[Source]) -> Iterator[pl.DataFrame]:
    """What the sources hold, part by part. Raises SourceError when two of them overlap."""
    yield pl.DataFrame(schema=LISTING)
    uris: list[pl.Series] = []
    for source in sources:
        for batch in listing_batches(source.list(), LISTED_AT_ONCE):
            if len(sources) > 1:
                uris.append(batch["uri"])
            yield batch
    places = pl.concat([pl.Series("uri", dtype=pl.String()), *uris])
    if places.n_unique() < len(places):
        raise SourceError(
            f"{places.filter(places.is_duplicated())[0]!r} is listed by two sources: "
            f"RAG_SOURCE_URI names overlapping places. Name each place once."
        )


def _retried(quarantine: pl.DataFrame) -> pl.Series:
    """The files whose rows are to be tried again."""
    return quarantine.filter((pl.col("stamp") == "") & (pl.col("id") != pl.col("file_id")))[
        "file_id"
    ]


def _unstamped(listing: pl.DataFrame, files: pl.Series | None) -> pl.DataFrame:
    """The listing without the stamps of these files, or of all of them."""
    if files is None:
        return listing.with_columns(stamp=pl.lit(""))
    if files.is_empty():
        return listing
    stale = pl.col("id").is_in(files.implode())
    return listing.with_columns(stamp=pl.when(stale).then(pl.lit("")).otherwise("stamp"))


def _files(documents: pl.DataFrame) -> pl.DataFrame:
    """The stamps of files; those of a file of records whose rows differ cannot be trusted."""
    if (documents["id"] == documents["file_id"]).all():
        return documents.select(STAMPS)
    files = documents.select(pl.col("file_id").alias("id"), "stamp", "sidecar_stamp").unique()
    return files.group_by("id").agg(
        stamp=pl.when(pl.len() == 1).then(pl.col("stamp").first()).otherwise(pl.lit("")),
        sidecar_stamp=pl.col("sidecar_stamp").first(),
    )


def _refused_files(quarantine: pl.DataFrame) -> pl.DataFrame:
    """Files that are in quarantine as a whole: a bad row does not keep its file from being read."""
    return quarantine.filter(pl.col("id") == pl.col("file_id")).select(STAMPS)


def _removed(
    found: Difference, manifest: pl.DataFrame, quarantine: pl.DataFrame, tables: Tables
) -> pl.DataFrame:
    """`id, uri, source` of documents to retract: gone with their file, or dropped by a reviewer."""
    reviews = tables.reviews.read(("id", "version"), {"decision": "drop"})
    dropped = quarantine.join(reviews, on=["id", "version"], how="semi")["id"]
    gone = pl.col("file_id").is_in(found.removed["id"].implode())
    removed = manifest.filter(gone | pl.col("id").is_in(dropped.implode()))["id"]
    return tables.documents.lookup(removed.to_list(), ["id", "uri", "source"]).sort("id")


def _emptied(gone: pl.DataFrame, sources: Sequence[Source], holding: set[str]) -> list[str]:
    """Sources of which everything is gone, where one that is configured lists nothing at all.

    It may be the same one, emptied by mistake, or the same one under a misspelt address.
    """
    if all(source.uri in holding for source in sources):
        return []
    return sorted({*gone["source"]} - holding)


def _forgotten(found: Difference, manifest: pl.DataFrame, quarantine: pl.DataFrame) -> pl.Series:
    """Ids that only the quarantine still knows: of files, and of rows of files that are gone."""
    rows = quarantine.filter(pl.col("id") != pl.col("file_id"))
    if rows.is_empty():
        return found.forgotten
    differing = (found.added["id"], found.touched["id"], found.held["id"])
    files = pl.concat([*differing, manifest["file_id"].unique()])
    gone = rows.filter(~pl.col("file_id").is_in(files.implode()))["id"]
    return pl.concat([found.forgotten, gone])
