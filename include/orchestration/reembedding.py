"""The bodies of `reembed_corpus` and `switch_index`: another index, filled and switched to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import get_current_context

from include.errors import ConfigurationError
from include.orchestration.approval import ask_if_dear
from include.orchestration.connecting import connected, load, run_name
from include.orchestration.skipping import skipped
from include.wiring import Platform

Json = dict[str, Any]
DAY = "%Y-%m-%d"
"""How a partition is named."""
_BATCHES = "to_embed"
_UNFINISHED = ("building", "candidate")
_NO_TARGET = (
    "This backfill names no target, and no index is being built. Airflow's form drops the run "
    "parameters unless 'Override parameters on existing runs' is ticked; the command takes them as "
    '--dag-run-conf \'{"target": "RAG_EMBEDDER=…"}\'. Nothing was embedded.'
)


def plan_share(params: Mapping[str, Any], partition_key: str | None) -> Json:
    """Chooses the index and lists what it lacks of the partition's documents; registers it."""
    from include.stages.coverage import days
    from include.stages.fill import begin, share

    platform = connected()
    other = _target(platform, params["target"] or "")
    by_batch = bool(params["batch_api"])
    if by_batch:
        other.by_batch.require()
    begin(other.destination, run_name(), datetime.now(UTC))
    first, last = (partition_key or params[name] or "" for name in ("first_day", "last_day"))
    within = days(first, last)
    work = share(other.destination, other.artifacts(run_name()), within=within)
    values = other.settings.index_values
    return {"values": values, "work": asdict(work), "batch_api": by_batch}


def prepare_batches(planned: Json) -> list[Json]:
    """Chunks the share from stored texts, and cuts what its model has not seen into batches."""
    from include.stages.fill import Share, prepare_share

    platform, artifacts = _of(planned)
    by_batch = bool(planned.get("batch_api"))
    accepted = prepare_share(
        load(Share, planned["work"]), platform.chunker, platform.destination, artifacts
    )
    to_embed = platform.filler.batches(accepted)
    ask_if_dear(platform, accepted, to_embed, by_batch=by_batch)
    artifacts.write_json("prepared", asdict(accepted.checked.prepared))
    batches = [asdict(each) for each in to_embed.batches]
    if by_batch:
        platform.by_batch.begin(artifacts)
        artifacts.write_json(_BATCHES, batches)
    return batches


def go_on_with_batches(planned: Json) -> Json:
    """Submits, collects and settles what can be now: the result, or what is to be waited for."""
    from include.stages.batch import Batch

    platform, artifacts = _of(planned)
    batches = [load(Batch, each) for each in artifacts.read_json(_BATCHES)]
    in_flight = platform.by_batch.step(batches, artifacts)
    if in_flight.nothing:
        return {"done": asdict(platform.by_batch.finish(batches, artifacts))}
    endpoint = platform.remote.endpoint
    kept = ("organization", "project", "api_version")
    return {
        # What may have been created is looked for soon, not when some batch ends.
        "batch_ids": [] if in_flight.unknown else list(in_flight.provider_ids),
        "url": endpoint.base_url,
        "options": {name: endpoint.options[name] for name in kept if name in endpoint.options},
        "seconds": platform.by_batch.work.limits.poll_seconds,
    }


def embed_batch(planned: Json, batch: Json) -> Json:
    """Embeds one batch through the cache of the target's model."""
    from include.stages.batch import Batch
    from include.stages.embed import embed

    platform, artifacts = _of(planned)
    with platform.embedding_lease(run_name()).held():
        return asdict(embed(load(Batch, batch), platform.cached_embedder(), artifacts))


def publish_filled(planned: Json) -> Json:
    """Publishes the share into the index and records how it stands."""
    from include.stages.fill import accepted_share, publish_share
    from include.stages.prepared import Prepared

    platform, artifacts = _of(planned)
    prepared = load(Prepared, artifacts.read_json("prepared"))
    return asdict(publish_share(accepted_share(prepared, artifacts), platform.destination))


def announce_candidate(filled: Json, event: Any) -> None:
    """Emits `index_candidate` when the index lacks nothing and is not evaluated in this form."""
    from include.stages.coverage import told

    if filled["state"] != "candidate" or filled["missing"] or filled["surplus"]:
        raise skipped(
            f"{filled['index']} is {filled['state']}: {filled['missing']} of "
            f"{filled['documents']} documents are missing{told(filled['missing_days'])}."
        )
    evaluated = connected().registry.get(filled["index"]).evaluation is not None
    if evaluated and not filled["published"] + filled["retracted"]:
        raise skipped(f"{filled['index']} is as it was when it was evaluated.")
    event.extra = {"index": filled["index"], "documents": filled["documents"]}


def switch(to: str, reason: str) -> Json:
    """Rolls back, or promotes the index named; `reason` overrules a gate that refuses."""
    from include.stages.promotion import Request, promote

    platform, run = connected(), get_current_context()["dag_run"]
    registry = platform.registry
    by = getattr(run, "triggering_user_name", None) or run_name()
    if to == "previous":
        registry.rollback()
    else:
        request = Request(to, by, reason)
        promote(request, registry, platform.tables, platform.store, now=datetime.now(UTC))
    live = registry.live()
    return {"live": live.name if live else None, "by": by}


def _target(platform: Platform, text: str) -> Platform:
    """The index that is described; else that of the settings; else the one being built.

    Settings that lag behind a switch name what was live once: that is not filled again.
    """
    from include.indexes import described, of_values
    from include.storage.index_entries import values_of

    known = platform.registry.read()
    live = known.in_state("live")
    if live is None:
        raise skipped("Nothing has been ingested yet.")
    if text.strip():
        chosen = described(platform, text)
        if chosen.index_name == live.name:
            raise ConfigurationError(
                f"The target {text!r} is {live.name!r}, which is live already."
            )
        return chosen
    of_settings = known.indexes.get(platform.index_name)
    if of_settings is None or of_settings.state in _UNFINISHED:
        return platform
    for _, index in sorted(known.indexes.items()):
        if index.state in _UNFINISHED and index.settings:
            return of_values(platform, values_of(index))
    if getattr(get_current_context().get("dag_run"), "run_type", "") == "backfill":
        raise ConfigurationError(_NO_TARGET)
    raise skipped("No index is being built beside the live one.")


def _of(planned: Json) -> tuple[Platform, Any]:
    from include.indexes import of_values

    platform = of_values(connected(), planned["values"])
    return platform, platform.artifacts(run_name())
