"""What a run is to work on: the difference between source and manifest, as the run's artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from include.manifest import Difference
from include.observability.log import warn
from include.planning import withhold_deletions
from include.storage.artifacts import Artifacts


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


@dataclass(frozen=True, slots=True)
class Lists:
    """What a difference of files does not say: `id, uri, source` of what is gone, and ids.

    `emptied` are sources of which everything is gone, and more likely by mistake.
    """

    gone: pl.DataFrame
    unrecorded: pl.Series
    forgotten: pl.Series
    unsettled: pl.Series
    enriched: pl.Series
    emptied: Sequence[str]


def written(
    found: Difference,
    lists: Lists,
    documents: int,
    artifacts: Artifacts,
    options: DetectOptions,
) -> Changes:
    """The rows to work on, written; deletions only as far as the options allow so many."""
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
