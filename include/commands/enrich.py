"""`enrich`: lets chat models fill in metadata of documents; the next sync puts it into the index."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from include.commands import show
from include.commands.progress import bar
from include.enrichment.forecast import forecast
from include.enrichment.work import OFF, describe_batch, finish, is_on, plan, waiting
from include.errors import TransientError
from include.spending.caller import Caller
from include.wiring import Platform, new_run_id

Json = dict[str, Any]


def plan_only(platform: Platform, *, most: int, again: bool = False) -> Json:
    """What `enrich` would ask and cost at most; asks and changes nothing."""
    if not is_on(platform):
        return {"skipped": OFF}
    artifacts = platform.artifacts(f"plan-{new_run_id()}")
    try:
        costs = forecast(platform, artifacts, plan(platform, artifacts, most=most, again=again))
    finally:
        artifacts.remove()
    verdict = platform.verdict(costs.most.cost_usd)
    return {"texts": costs.items, **costs.as_json(), **verdict.as_json()}


def enrich(platform: Platform, *, most: int, again: bool = False) -> tuple[Json, int]:
    """Describes at most so many texts; exit status 1 when it stopped before its end.

    Raises ApprovalError, with nothing asked, when it may cost more than approval_usd.
    """
    if not is_on(platform):
        return {"skipped": OFF}, 0
    run_id = new_run_id()
    platform.caller = Caller(run=run_id, task="enrich")
    artifacts = platform.artifacts(run_id)
    batches, counts, stopped = plan(platform, artifacts, most=most, again=again), Counter(), ""  # type: ignore[var-annotated]
    if platform.settings.budgets.approval_usd is not None:
        platform.require_approval_of(forecast(platform, artifacts, batches))
    with bar("Describing", sum(batch.count for batch in batches)) as advance:
        for batch in batches:
            try:
                done = asdict(describe_batch(platform, batch, artifacts, advance))
            except TransientError as error:
                done = {"stopped": str(error)}
            stopped = done.pop("stopped")
            counts.update(done)
            if stopped:
                break
    texts = sum(batch.count for batch in batches)
    told = {name: counts[name] for name in ("accepted", "review", "set_aside", "known")}
    return {
        "run_id": run_id,
        "texts": texts,
        **told,
        "open": texts - sum(told.values()),
        "stopped": stopped,
        "to_apply": finish(platform, artifacts),
        "waiting": len(waiting(platform, 1_000_000)),
    }, int(bool(stopped))


def shown(answer: Json) -> str:
    """What was described, and what comes next; or what would be."""
    if "skipped" in answer:
        return str(answer["skipped"])
    if "estimated_cost_usd" in answer:
        return show.forecast(answer, f"{answer['texts']} texts to describe", "enrich")
    lines = [
        f"{answer['texts']} texts: {answer['accepted']} described, {answer['review']} for review, "
        f"{answer['set_aside']} set aside, {answer['known']} known, {answer['open']} open."
    ]
    if answer["to_apply"]:
        lines.append(f"`python -m include sync` writes {answer['to_apply']} documents again.")
    if answer["waiting"]:
        lines.append(f"{answer['waiting']} wait for a person: Dag enrich_documents.")
    if answer["stopped"]:
        lines.append(f"Stopped: {answer['stopped']} Run it again to go on.")
    return "\n".join(lines)
