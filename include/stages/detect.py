"""Stage 1: what differs between the source and the manifest. Opens no document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from include.errors import SourceError
from include.manifest import Differ, Difference
from include.observability.log import stage, warn
from include.planning import withhold_deletions
from include.stages.enriched import stale
from include.storage.artifacts import Artifacts
from include.storage.source import LISTING, Source, listing_batches
from include.storage.tables import Tables

LISTED_AT_ONCE = 50_000
"""Listed objects that are compared with the manifest at once: 30 MB of them."""

STAMPS = ("id", "stamp", "sidecar_stamp")


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """How a run looks at the source, and the run's name.

    `reread` opens every file whatever its stamp says. `allow_deletions` lifts
    `max_delete_fraction`. `rebuild` treats every listed document as changed, for a new index.
    """

    run_id: str
    max_delete_fraction: float
    reread: bool = False
    allow_deletions: bool = False
    rebuild: bool = False


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What the index holds (`document_id, version`), where a publish may lack its record."""

    versions: pl.DataFrame

    def unrecorded(self, manifest: pl.DataFrame) -> pl.Series:
        """Ids of documents that the manifest does not know: to retract, unless they come again."""
        ids = self.versions["document_id"].unique()
        return ids.filter(~ids.is_in(manifest["id"].implode())).sort()

    def unsettled(self, manifest: pl.DataFrame) -> pl.Series:
        """Ids of documents of which the index does not hold the version that the manifest says."""
        held = self.versions.rename({"document_id": "id"})
        absent = manifest.filter(pl.col("chunks") > 0).join(held, on=["id", "version"], how="anti")
        other = held.join(manifest, on=["id", "version"], how="anti")
        other = other.join(manifest, on="id", how="semi")
        return pl.concat([absent["id"], other["id"]]).unique()


@dataclass(frozen=True, slots=True)
class Changes:
    """Counts of documents by class, and the URIs of the rows to work on ("" when none).

    `touched` have a new stamp: the next stage tells whether content, metadata or nothing changed.
    `held` are in quarantine, unchanged. `withheld` are gone from the source but kept until a
    person allows so large a deletion. `max_delete_fraction` is 1 where one did. `unsettled_uri`
    are documents to write although their content is what the manifest says, `enriched_uri` those
    about which a chat model has filled in something since.
    """

    run_id: str
    listed: int
    added: int
    touched: int
    removed: int
    unchanged: int
    held: int
    forgotten: int
    withheld: int
    rebuild: bool
    max_delete_fraction: float
    rows_uri: str
    removed_uri: str
    forgotten_uri: str
    unsettled_uri: str = ""
    enriched_uri: str = ""

    @property
    def nothing(self) -> bool:
        """Whether source and manifest agree."""
        return not (self.added or self.touched or self.removed or self.forgotten)


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
        lists = _Lists(
            gone, unrecorded, forgotten, unsettled, enriched, _emptied(gone, sources, holding)
        )
        changes = _written(found, lists, manifest.height, artifacts, options)
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


@dataclass(frozen=True, slots=True)
class _Lists:
    """What a difference of files does not say: `id, uri, source` of what is gone, ids, `_emptied`."""

    gone: pl.DataFrame
    unrecorded: pl.Series
    forgotten: pl.Series
    unsettled: pl.Series
    enriched: pl.Series
    emptied: list[str]


def _written(
    found: Difference,
    lists: _Lists,
    documents: int,
    artifacts: Artifacts,
    options: DetectOptions,
) -> Changes:
    removed, forgotten = lists.gone, lists.forgotten
    listed = found.added.height + found.touched.height + found.unchanged + found.held.height
    fraction = 1.0 if options.allow_deletions else options.max_delete_fraction
    withheld = 0
    if not options.allow_deletions and withhold_deletions(
        removed.height,
        total=documents,
        max_delete_fraction=fraction,
        listed=0 if lists.emptied else listed,
    ):
        withheld, removed = removed.height, removed.clear()
        reason = f"That is more than max_delete_fraction {fraction} allows"
        if lists.emptied:
            reason = f"Nothing at all of {', '.join(lists.emptied)} is listed any more"
        warn(
            f"{withheld} of {documents} indexed documents are gone from the source. {reason}, so "
            f"they stay searchable. If it is intended, run again with deletions allowed."
        )
    # They were never a run's to keep, so nobody has to allow it.
    lost = lists.unrecorded.to_frame("id").with_columns(uri=pl.lit(""))
    removed = pl.concat([removed.select("id", "uri"), lost])
    rows = pl.concat([found.added, found.touched])
    return Changes(
        run_id=options.run_id,
        listed=listed,
        added=found.added.height,
        touched=found.touched.height,
        removed=removed.height,
        unchanged=found.unchanged,
        held=found.held.height,
        forgotten=len(forgotten),
        withheld=withheld,
        rebuild=options.rebuild,
        max_delete_fraction=fraction,
        rows_uri=artifacts.write("changes", rows) if rows.height else "",
        removed_uri=artifacts.write("removed", removed) if removed.height else "",
        forgotten_uri=_ids("forgotten", forgotten, artifacts),
        unsettled_uri=_ids("unsettled", lists.unsettled, artifacts),
        enriched_uri=_ids("enriched", lists.enriched, artifacts),
    )


def _ids(name: str, ids: pl.Series, artifacts: Artifacts) -> str:
    return artifacts.write(name, ids.to_frame("id")) if len(ids) else ""
