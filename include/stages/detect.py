"""Stage 1: what differs between the source and the manifest. Opens no document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from include.errors import SourceError
from include.manifest import Difference, diff
from include.observability.log import stage, warn
from include.planning import withhold_deletions
from include.storage.artifacts import Artifacts
from include.storage.source import LISTING, Source, listing_batches
from include.storage.tables import Tables

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
class Changes:
    """Counts of documents by class, and the URIs of the rows to work on ("" when none).

    `touched` have a new stamp: the next stage tells whether content, metadata or nothing changed.
    `held` are in quarantine, unchanged. `withheld` are gone from the source but kept until a
    person allows so large a deletion.
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
    rows_uri: str
    removed_uri: str
    forgotten_uri: str

    @property
    def nothing(self) -> bool:
        """Whether source and manifest agree."""
        return not (self.added or self.touched or self.removed or self.forgotten)


def detect(
    sources: Sequence[Source], tables: Tables, artifacts: Artifacts, options: DetectOptions
) -> Changes:
    """Lists every source completely and compares it with the manifest.

    Writes nothing when they agree. Raises SourceError when a source cannot be listed: a partial
    listing must not delete anything.
    """
    with stage("detect", run=options.run_id) as event:
        listing = _listing(sources)
        manifest = tables.documents.read([*STAMPS, "uri"])
        if options.reread or options.rebuild:
            listing = listing.with_columns(stamp=pl.lit(""))
        found = diff(manifest.select(STAMPS), listing, tables.quarantine.read(STAMPS))
        changes = _written(found, manifest, artifacts, options)
        event |= {
            name: getattr(changes, name)
            for name in ("listed", "added", "touched", "removed", "unchanged", "held", "withheld")
        }
    return changes


def _listing(sources: Iterable[Source]) -> pl.DataFrame:
    frames = [batch for source in sources for batch in listing_batches(source.list())]
    listing = pl.concat([pl.DataFrame(schema=LISTING), *frames])
    twice = listing.filter(pl.col("uri").is_duplicated())
    if twice.height:
        raise SourceError(
            f"{twice['uri'][0]!r} is listed by two sources: RAG_SOURCE_URI names overlapping "
            f"places. Name each place once."
        )
    return listing


def _written(
    found: Difference, manifest: pl.DataFrame, artifacts: Artifacts, options: DetectOptions
) -> Changes:
    listed = found.added.height + found.touched.height + found.unchanged + found.held.height
    removed = manifest.join(found.removed.select("id"), on="id", how="semi").select("id", "uri")
    withheld = 0
    if not options.allow_deletions and withhold_deletions(
        removed.height,
        total=manifest.height,
        max_delete_fraction=options.max_delete_fraction,
        listed=listed,
    ):
        withheld, removed = removed.height, removed.clear()
        warn(
            f"{withheld} of {manifest.height} indexed documents are gone from the source. That is "
            f"more than max_delete_fraction {options.max_delete_fraction} allows, so they stay "
            f"searchable. If it is intended, run again with deletions allowed."
        )
    rows = pl.concat([found.added, found.touched])
    return Changes(
        run_id=options.run_id,
        listed=listed,
        added=found.added.height,
        touched=found.touched.height,
        removed=removed.height,
        unchanged=found.unchanged,
        held=found.held.height,
        forgotten=len(found.forgotten),
        withheld=withheld,
        rebuild=options.rebuild,
        rows_uri=artifacts.write("changes", rows) if rows.height else "",
        removed_uri=artifacts.write("removed", removed) if removed.height else "",
        forgotten_uri=artifacts.write("forgotten", pl.DataFrame([found.forgotten]))
        if len(found.forgotten)
        else "",
    )
