"""The bodies of the Dags' tasks: settings and adapters in, one stage, a small result out.

Results travel as XCom: counts and URIs of Parquet files, never documents or vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, Variable, get_current_context
from airflow.sdk.exceptions import AirflowSkipException
from pydantic import TypeAdapter

from include.errors import PermanentError
from include.orchestration.assets import RAW_DOCUMENTS
from include.settings import Settings
from include.stages.accepted import Accepted
from include.stages.batch import Batch, ToEmbed
from include.stages.check import Checked
from include.stages.detect import Changes
from include.stages.prepare import Prepared
from include.storage.artifacts import Artifacts
from include.wiring import Platform

Json = dict[str, Any]
Params = Mapping[str, bool]


def detect_changes(*, reread: bool) -> Json:
    """Lists the source and diffs it with the manifest."""
    from include.stages.detect import detect

    platform = _platform()
    changes = detect(
        list(platform.sources.values()),
        platform.tables,
        _artifacts(platform),
        platform.detect_options(_run_id(), reread=reread, allow_deletions=True),
    )
    if changes.nothing:
        platform.adapt_index()
    return asdict(changes)


def announce_changes(changes: Json, params: Params, event: Any) -> None:
    """Emits the event with the counts and switches; skips when there is nothing to tell."""
    found = _load(Changes, changes)
    if found.nothing:
        raise AirflowSkipException(
            "Source and manifest agree: nothing to ingest, nothing embedded."
        )
    if params["look_only"]:
        raise AirflowSkipException(f"Looked only: {_counts(found)}. No ingestion was started.")
    event.extra = {
        **_counts(found),
        **{name: params[name] for name in ("reread", "allow_deletions")},
    }


def plan_ingestion(params: Params, events: Any) -> Json:
    """Diffs source and manifest under the switches of the form and of the waking events."""
    from include.stages.detect import detect

    platform = _platform()
    switches = {
        name: bool(params[name]) or any(extra.get(name) for extra in _extras(events))
        for name in ("reread", "allow_deletions")
    }
    options = platform.detect_options(_run_id(), rebuild=params["rebuild"], **switches)
    platform.require_index(rebuild=options.rebuild)
    changes = detect(
        list(platform.sources.values()), platform.tables, _artifacts(platform), options
    )
    if changes.nothing and not changes.withheld:
        raise AirflowSkipException(
            "Source and manifest agree: nothing to ingest, nothing embedded."
        )
    return asdict(changes)


def prepare_documents(changes: Json) -> Json:
    """Reads, parses and chunks what changed."""
    from include.stages.prepare import prepare

    platform = _platform()
    found = _load(Changes, changes)
    reading = platform.reading(rebuild=found.rebuild)
    prepared = prepare(found, reading, platform.tables, _artifacts(platform))
    return asdict(prepared)


def pass_gate(prepared: Json) -> list[Json]:
    """Validates documents and chunks, then plans the batches to embed."""
    from include.stages.batch import batch
    from include.stages.check import check

    platform = _platform()
    artifacts = _artifacts(platform)
    checked = check(_load(Prepared, prepared), platform.gate, artifacts)
    to_embed = batch(
        Accepted(checked, artifacts),
        platform.cache,
        max_tasks=platform.settings.max_mapped_tasks,
    )
    artifacts.write_json("accepted", {"checked": asdict(checked), "to_embed": asdict(to_embed)})
    return [asdict(each) for each in to_embed.batches]


def embed_texts(batch: Json) -> Json:
    """Embeds one batch through the cache."""
    from include.stages.embed import embed

    platform = _platform()
    embedded = embed(_load(Batch, batch), platform.cached_embedder(), _artifacts(platform))
    return asdict(embedded)


def publish_index(event: Any) -> Json:
    """Publishes the run and emits `chunk_index` with the counts of the receipt."""
    from include.stages.publish import publish

    platform = _platform()
    artifacts = _artifacts(platform)
    accepted = artifacts.read_json("accepted")
    receipt = publish(
        Accepted(_load(Checked, accepted["checked"]), artifacts),
        _load(ToEmbed, accepted["to_embed"]),
        platform.destination,
        now=datetime.now(UTC),
    )
    event.extra = asdict(receipt)
    return asdict(receipt)


def refuse_withheld(receipt: Json) -> None:
    """Fails, visibly and without retries, while deletions wait for a person."""
    if receipt["withheld"]:
        raise PermanentError(
            f"{receipt['withheld']} documents are gone from the source, more than "
            f"max_delete_fraction allows. They stay searchable; everything else was published. If "
            f"the deletion is intended, trigger ingest_documents with 'Allow large deletions'."
        )


def compact_tables(*, keep_days: int) -> Json:
    """Compacts every table, refreshes its indexes and prunes versions older than that."""
    from include.stages.maintain import compact

    return asdict(compact(_platform().upkeep, older_than=timedelta(days=keep_days)))


def prune_runs(*, keep_days: int) -> Json:
    """Deletes artifacts of runs that ended before the retention."""
    from include.stages.maintain import prune

    now = datetime.now(UTC)
    return asdict(prune(_platform().lake, before=now - timedelta(days=keep_days)))


def _platform() -> Platform:
    budgets = Variable.get("rag_budgets", default=None, deserialize_json=True)
    platform = Platform(Settings.from_environment())
    return platform.with_budgets(budgets) if budgets is not None else platform


def _run_id() -> str:
    """Airflow's run id, which is unique within a Dag only, behind the Dag's."""
    context = get_current_context()
    return f"{context['dag'].dag_id}/{context['run_id']}"


def _artifacts(platform: Platform) -> Artifacts:
    return platform.artifacts(_run_id())


def _load(kind: type[Any], value: Json) -> Any:
    return TypeAdapter(kind).validate_python(value)


def _counts(changes: Changes) -> Json:
    return {f.name: getattr(changes, f.name) for f in fields(Changes) if f.type == "int"}


def _extras(events: Mapping[Asset, Iterable[Any]] | None) -> list[Json]:
    return [event.extra or {} for event in (events or {}).get(RAW_DOCUMENTS, ())]
