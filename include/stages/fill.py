"""Filling an index that is not live from stored texts: what it lacks, and no more.

Any number of fills may run, in any order, at once, or again: each compares the index with the
manifest, writes what is missing in its share, and says afterwards how much is missing in all. An
index that lacks nothing becomes a candidate; ingestion keeps it complete until it is promoted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import polars as pl

from include.chunking import ChunkerByMediaType
from include.observability.log import stage
from include.stages.accepted import Accepted, Checked
from include.stages.changes import Changes
from include.stages.commit import publish_chunks
from include.stages.coverage import Coverage, Interval, coverage
from include.stages.destination import Destination
from include.stages.prepared import Prepared
from include.stages.stored import prepare_stored
from include.storage.artifacts import Artifacts
from include.storage.index_entries import Entries, Index, State


@dataclass(frozen=True, slots=True)
class Share:
    """What a fill is to do: ids in artifacts ("" when none), counts of documents, and their days."""

    documents: int
    missing: int
    surplus: int
    missing_uri: str
    surplus_uri: str
    missing_days: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.missing or self.surplus)


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fill did, in chunks, and how the index stands: documents it should have, and lacks.

    `missing_days` are the first and the last day on which those that it lacks were first ingested.
    """

    run_id: str
    index: str
    state: str
    published: int
    retracted: int
    documents: int
    missing: int
    surplus: int
    missing_days: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the index holds exactly the documents of the manifest."""
        return not (self.missing or self.surplus)


def share(
    destination: Destination,
    artifacts: Artifacts,
    *,
    within: Interval | None = None,
    only: Collection[str] | None = None,
) -> Share:
    """What the index lacks of these documents (all by default); opens no text, embeds nothing."""
    found = coverage(
        destination.tables, destination.store, destination.index, within=within, only=only
    )
    return Share(
        documents=found.documents,
        missing=len(found.missing),
        surplus=len(found.surplus),
        missing_uri=_ids("missing", found.missing, artifacts),
        surplus_uri=_ids("surplus", found.surplus, artifacts),
        missing_days=found.missing_days,
    )


def begin(destination: Destination, run_id: str, now: datetime) -> None:
    """Registers the index as building, unless it is known; a retired one is built again."""
    chunks = destination.tables.documents.read(["chunks"])["chunks"]
    fresh = Index(
        destination.index,
        run_id=run_id,
        created_at=now.astimezone(UTC).isoformat(),
        missing=int((chunks > 0).sum()),
        **destination.facts,
    )

    def begun(entries: Entries) -> Entries:
        known = entries.indexes.get(destination.index)
        if known is not None and known.state != "retired":
            return entries
        return entries.put(fresh)

    destination.registry.change(begun)
    destination.store.create(destination.index, destination.dimensions, destination.vectors)


def prepare_share(
    work: Share, chunker: ChunkerByMediaType, destination: Destination, artifacts: Artifacts
) -> Accepted:
    """Chunks the documents of the share from their stored texts."""
    changes = Changes(
        run_id=artifacts.run_id,
        listed=0,
        added=0,
        touched=work.missing,
        removed=work.surplus,
        unchanged=work.documents - work.missing,
        held=0,
        forgotten=0,
        withheld=0,
        rebuild=False,
        max_delete_fraction=1.0,
        rows_uri=work.missing_uri,
        removed_uri=work.surplus_uri,
        forgotten_uri="",
    )
    names = artifacts.read(work.missing_uri)["id"].to_list() if work.missing_uri else []
    prepared = prepare_stored(changes, names, chunker, destination.tables, artifacts)
    return accepted_share(prepared, artifacts)


def accepted_share(prepared: Prepared, artifacts: Artifacts) -> Accepted:
    """What was prepared passed the gate when it was ingested; it is not judged again."""
    return Accepted(Checked(prepared, bad_uri="", report_uri=""), artifacts)


def publish_share(accepted: Accepted, destination: Destination) -> Filled:
    """Makes the share searchable in the index, and records how the index stands now.

    Raises TransientError when a vector is missing from the cache.
    """
    run_id = accepted.artifacts.run_id
    with stage("fill", run=run_id, index=destination.index) as event:
        done = publish_chunks(accepted, destination, run_id)
        stands, state = record_coverage(destination)
        filled = Filled(
            run_id=run_id,
            index=destination.index,
            state=state,
            published=done.inserted + done.updated,
            retracted=done.deleted,
            documents=stands.documents,
            missing=len(stands.missing),
            surplus=len(stands.surplus),
            missing_days=stands.missing_days,
        )
        accepted.artifacts.write_json("filled", asdict(filled))
        event |= {"published": filled.published, "missing": filled.missing}
    return filled


def record_coverage(destination: Destination) -> tuple[Coverage, State]:
    """Tells the registry how the index stands; complete, a building one becomes a candidate."""
    found = coverage(destination.tables, destination.store, destination.index)
    chunks = destination.store.count(destination.index)
    reached: list[State] = []

    def recorded(entries: Entries) -> Entries:
        index = entries.get(destination.index)
        ready = index.state == "building" and found.complete and found.documents > 0
        reached[:] = ["candidate" if ready else index.state]
        return entries.put(
            replace(
                index,
                state=reached[0],
                documents=found.documents - len(found.missing),
                chunks=chunks,
                missing=len(found.missing) + len(found.surplus),
            )
        )

    destination.registry.change(recorded)
    return found, reached[0]


def _ids(name: str, ids: Collection[str], artifacts: Artifacts) -> str:
    frame = pl.DataFrame({"id": list(ids)}, schema={"id": pl.String})
    return artifacts.write(name, frame) if ids else ""
