"""The bodies of the tasks that ingest: settings and adapters in, one stage, a small result out.

Results travel as XCom: counts and URIs of Parquet files, never documents or vectors. Dag files import
this module, so everything heavy is imported inside the functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from include.errors import PermanentError
from include.orchestration.assets import RAW_DOCUMENTS
from include.orchestration.connecting import Json, artifacts_of, connected, load, run_name
from include.orchestration.skipping import skipped
from include.wiring import Platform

if TYPE_CHECKING:
    from include.stages.changes import Changes

Params = Mapping[str, bool]

_INDEX = "index"
_LONGEST_RUN = timedelta(days=2)


def detect_changes(*, reread: bool) -> Json:
    """Lists the source and diffs it with the manifest."""
    from include.indexes import following
    from include.stages.detect import detect

    platform = following(connected())
    changes = detect(
        list(platform.sources.values()),
        platform.tables,
        artifacts_of(platform),
        platform.detect_options(run_name(), reread=reread, allow_deletions=True),
        platform.interrupted(),
    )
    if changes.nothing:
        platform.found_nothing()
    return asdict(changes)


def announce_changes(changes: Json, params: Params, event: Any) -> None:
    """Emits the event with the counts and switches; skips when there is nothing to tell."""
    from include.stages.changes import Changes

    found = load(Changes, changes)
    if found.nothing:
        raise skipped("Source and manifest agree: nothing to ingest, nothing embedded.")
    if params["look_only"]:
        raise skipped(f"Looked only: {_counts(found)}. No ingestion was started.")
    event.extra = {
        **_counts(found),
        **{name: params[name] for name in ("reread", "allow_deletions")},
    }


def sweep_source() -> Json:
    """Compares a listing with the manifest; the counts, or a skipped task when they agree."""
    from include.stages.changes import Changes

    found: Changes = load(Changes, detect_changes(reread=False))
    if found.nothing:
        raise skipped("Source and manifest agree: nothing was missed.")
    return _counts(found)


def plan_ingestion(params: Params, events: Any) -> Json:
    """Diffs source and manifest under the switches of the form and of the waking events."""
    from include.indexes import following
    from include.stages.detect import detect

    platform = connected() if params["rebuild"] else following(connected())
    switches = {
        name: bool(params[name]) or any(extra.get(name) for extra in _extras(events))
        for name in ("reread", "allow_deletions")
    }
    options = platform.detect_options(run_name(), rebuild=params["rebuild"], **switches)
    platform.require_index(rebuild=options.rebuild)
    changes = detect(
        list(platform.sources.values()),
        platform.tables,
        artifacts_of(platform),
        options,
        platform.interrupted(rebuild=options.rebuild),
    )
    if changes.nothing and not changes.withheld:
        platform.found_nothing()
        raise skipped("Source and manifest agree: nothing to ingest, nothing embedded.")
    artifacts_of(platform).write_json(_INDEX, platform.settings.index_values)
    return asdict(changes)


def prepare_documents(changes: Json) -> Json:
    """Reads, parses and chunks what changed."""
    from include.stages.changes import Changes
    from include.stages.prepare import prepare

    platform = _ingesting()
    found = load(Changes, changes)
    reading = platform.reading(rebuild=found.rebuild)
    prepared = prepare(found, reading, platform.tables, artifacts_of(platform))
    return asdict(prepared)


def pass_gate(prepared: Json) -> list[Json]:
    """Validates documents and chunks, then plans the batches to embed."""
    from include.orchestration.approval import ask_if_dear
    from include.stages.accepted import Accepted
    from include.stages.batch import batch
    from include.stages.check import check
    from include.stages.prepared import Prepared

    platform = _ingesting()
    artifacts = artifacts_of(platform)
    now = datetime.now(UTC)
    checked = check(load(Prepared, prepared), platform.gate, artifacts, platform.tables, now=now)
    accepted = Accepted(checked, artifacts)
    to_embed = batch(
        accepted,
        platform.cache,
        max_tasks=platform.settings.max_mapped_tasks,
    )
    ask_if_dear(platform, accepted, to_embed)
    artifacts.write_json("accepted", {"checked": asdict(checked), "to_embed": asdict(to_embed)})
    return [asdict(each) for each in to_embed.batches]


def embed_texts(batch: Json) -> Json:
    """Embeds one batch through the cache, while no other run embeds with this model."""
    from include.stages.batch import Batch
    from include.stages.embed import embed

    platform = _ingesting()
    with platform.embedding_lease(run_name()).held():
        embedded = embed(load(Batch, batch), platform.cached_embedder(), artifacts_of(platform))
    return asdict(embedded)


def publish_index(event: Any) -> Json:
    """Publishes the run and emits `chunk_index` with the counts of the receipt."""
    from include.stages.accepted import Accepted, Checked
    from include.stages.batch import ToEmbed
    from include.stages.publish import publish

    platform = _ingesting()
    artifacts = artifacts_of(platform)
    accepted = artifacts.read_json("accepted")
    receipt = publish(
        Accepted(load(Checked, accepted["checked"]), artifacts),
        load(ToEmbed, accepted["to_embed"]),
        platform.destination,
        now=datetime.now(UTC),
    )
    now = datetime.now(UTC)
    cost = platform.spending.cost_of(run_name(), now - _LONGEST_RUN)
    event.extra = {**asdict(receipt), "cost_usd": f"{cost:f}"}
    return {**asdict(receipt), "cost_usd": f"{cost:f}"}


def keep_other_indexes() -> None:
    """Brings the run's documents up to date in indexes that are built beside the live one."""
    from include.indexes import keep_others
    from include.stages.accepted import Accepted, Checked

    platform = _ingesting()
    artifacts = artifacts_of(platform)
    accepted = Accepted(load(Checked, artifacts.read_json("accepted")["checked"]), artifacts)
    keep_others(platform, run_name(), [*accepted.documents["id"], *accepted.removed])


def tell_reviewers(receipt: Json, event: Any) -> None:
    """Emits `quarantine` when this run set documents aside."""
    if not receipt["quarantined"]:
        raise skipped("Nothing was set aside.")
    event.extra = {"quarantined": receipt["quarantined"], "run_id": receipt["run_id"]}


def refuse_withheld(receipt: Json) -> None:
    """Fails, visibly and without retries, while deletions wait for a person."""
    if receipt["withheld"]:
        raise PermanentError(
            f"{receipt['withheld']} documents are gone from the source: all of one source, or more "
            f"than max_delete_fraction allows. They stay searchable; everything else was published. "
            f"If the deletion is intended, trigger ingest_documents with 'Allow large deletions'."
        )


def _ingesting() -> Platform:
    """The platform for the index that this run chose when it began, whatever is live by now."""
    from include.indexes import of_values

    platform = connected()
    return of_values(platform, artifacts_of(platform).read_json(_INDEX))


def _counts(changes: Changes) -> Json:
    return {f.name: getattr(changes, f.name) for f in fields(changes) if f.type == "int"}


def _extras(events: Mapping[Asset, Iterable[Any]] | None) -> list[Json]:
    return [event.extra or {} for event in (events or {}).get(RAW_DOCUMENTS, ())]
