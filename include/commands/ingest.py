"""`plan` and `sync`: what a run would do, and the run itself, in this process."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from include.commands.progress import bar
from include.indexes import following, keep_others
from include.planning import Plan
from include.spending.caller import Caller
from include.stages.accepted import Accepted, Checked
from include.stages.batch import ToEmbed, batch
from include.stages.changes import Changes
from include.stages.check import check
from include.stages.detect import detect
from include.stages.embed import embed
from include.stages.prepare import prepare
from include.stages.prepared import Prepared
from include.stages.publish import publish
from include.storage.artifacts import Artifacts
from include.wiring import Platform, new_run_id

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Switches:
    """What a person may ask of a run; see DetectOptions."""

    reread: bool = False
    allow_deletions: bool = False
    rebuild: bool = False


def plan(platform: Platform, switches: Switches = Switches()) -> Json:
    """What `sync` would do now, counted exactly; spends and changes nothing."""
    run_id = f"plan-{new_run_id()}"
    platform = platform if switches.rebuild else following(platform)
    artifacts = platform.artifacts(run_id)
    try:
        changes = _detected(platform, run_id, switches)
        if changes.nothing:
            nothing = _planned(changes, {}, ToEmbed((), 0, 0, 0, 0))
            return nothing.to_json() | platform.verdict(Decimal(0)).as_json()
        prepared = _prepared(platform, artifacts, changes, may_embed=False)
        accepted = Accepted(Checked(prepared, bad_uri="", report_uri=""), artifacts)
        to_embed = batch(accepted, platform.cache, max_tasks=1)
        cost = platform.embedding_cost(to_embed.tokens)
        planned = replace(_planned(changes, accepted.counts(), to_embed), estimated_cost_usd=cost)
        return planned.to_json() | platform.verdict(cost).as_json()
    finally:
        artifacts.remove()


def sync(platform: Platform, switches: Switches = Switches()) -> tuple[Json, int]:
    """Makes the index equal to the source; returns the receipt and the exit status.

    Status 1 means that deletions were withheld; everything else is published.
    """
    began, began_at = time.monotonic(), datetime.now(UTC)
    run_id = new_run_id()
    platform = platform if switches.rebuild else following(platform)
    platform.caller = Caller(run=run_id, task="sync")
    account = platform.spending  # wrong prices stop the run before it begins
    changes = _detected(platform, run_id, switches)
    done: Json = {"run_id": run_id, "embedded": 0, "reused": 0, "published": 0, "retracted": 0}
    counts, to_embed, withheld = {}, ToEmbed((), 0, 0, 0, 0), changes.withheld
    if changes.nothing:
        platform.found_nothing()
    else:
        artifacts = platform.artifacts(run_id)
        prepared = _prepared(platform, artifacts, changes)
        now = datetime.now(UTC)
        checked = check(prepared, platform.gate, artifacts, platform.tables, now=now)
        accepted = Accepted(checked, artifacts)
        to_embed = _embed(platform, accepted)
        done = asdict(publish(accepted, to_embed, platform.destination, now=now))
        counts = accepted.counts()
        withheld = accepted.withheld
        keep_others(platform, run_id, [*accepted.documents["id"], *accepted.removed])
    estimated = platform.embedding_cost(to_embed.tokens)
    receipt = {
        **replace(_planned(changes, counts, to_embed), estimated_cost_usd=estimated).to_json(),
        **platform.verdict(Decimal(0)).as_json(),  # done: nobody is to be asked any more
        **done,
        "quarantined": counts.get("rejected", 0),
        "withheld": withheld,
        "cost_usd": f"{account.cost_of(run_id, began_at):f}",
        "seconds": round(time.monotonic() - began, 2),
    }
    return receipt, 1 if withheld else 0


def _detected(platform: Platform, run_id: str, switches: Switches) -> Changes:
    platform.require_index(rebuild=switches.rebuild)
    options = platform.detect_options(run_id, **asdict(switches))
    sources = list(platform.sources.values())
    interrupted = platform.interrupted(rebuild=switches.rebuild)
    return detect(sources, platform.tables, platform.artifacts(run_id), options, interrupted)


def _prepared(
    platform: Platform, artifacts: Artifacts, changes: Changes, *, may_embed: bool = True
) -> Prepared:
    reading = platform.reading(rebuild=changes.rebuild, may_embed=may_embed)
    with bar("Reading", changes.added + changes.touched) as advance:
        return prepare(changes, reading, platform.tables, artifacts, on_progress=advance)


def _embed(platform: Platform, accepted: Accepted) -> ToEmbed:
    """Embeds what no other sync is embedding at this moment; what that one pays for is reused."""
    to_embed = _batches(platform, accepted)
    if not to_embed.batches:
        return to_embed
    platform.require_approval(to_embed.tokens)
    with platform.embedding_lease(accepted.artifacts.run_id).held() as waited:
        if waited:
            to_embed = _batches(platform, accepted)
        with bar("Embedding", to_embed.texts) as advance:
            embedder = platform.cached_embedder(advance)
            for each in to_embed.batches:
                embed(each, embedder, accepted.artifacts)
    return to_embed


def _batches(platform: Platform, accepted: Accepted) -> ToEmbed:
    return batch(accepted, platform.cache, max_tasks=platform.settings.max_mapped_tasks)


def _planned(changes: Changes, counts: dict[str, int], to_embed: ToEmbed) -> Plan:
    return Plan(
        added=counts.get("added", 0),
        changed=counts.get("changed", 0),
        moved=counts.get("moved", 0),
        copied=counts.get("copied", 0),
        metadata=counts.get("metadata", 0),
        touched=counts.get("touched", 0),
        removed=counts.get("removed", changes.removed),
        rejected=counts.get("rejected", 0),
        unchanged=changes.unchanged + counts.get("touched", 0),
        held=changes.held,
        chunks=to_embed.chunks,
        chunks_to_embed=to_embed.texts,
        tokens_to_embed=to_embed.tokens,
        deletions_withheld=changes.withheld,
    )
