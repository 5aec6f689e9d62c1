"""The bodies of `enrich_documents`: texts described by models, doubtful ones shown to a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

from include.orchestration.approval import ask_if_forecast_is_dear
from include.orchestration.connecting import connected, load, run_name
from include.orchestration.review import fenced, plain, who
from include.orchestration.skipping import skipped

Json = dict[str, Any]
CHOICES = ("Accept", "Reject")
SAFE_CHOICE = "Reject"
MOST_QUESTIONS = 50
_NAMES = "review/enrichments"


def plan_enrichment(params: Mapping[str, Any]) -> list[Json]:
    """Finds the texts that are not described yet; skips when there is nothing to do."""
    from include.enrichment.forecast import forecast
    from include.enrichment.work import OFF, is_on, plan, to_apply, waiting

    platform = connected()
    if not is_on(platform):
        raise skipped(OFF)
    artifacts = platform.artifacts(run_name())
    batches = plan(platform, artifacts, most=int(params["most"]), again=bool(params["again"]))
    if not batches and not to_apply(platform) and not waiting(platform, 1):
        raise skipped("Every text is described already: nothing was spent.")
    ask_if_forecast_is_dear(platform, forecast(platform, artifacts, batches))
    return [asdict(batch) for batch in batches]


def describe(batch: Json) -> Json:
    """Describes one batch; each description is kept as it comes."""
    from include.enrichment.work import Batch, describe_batch

    platform = connected()
    return asdict(describe_batch(platform, load(Batch, batch), platform.artifacts(run_name())))


def announce(event: Any) -> int:
    """Wakes ingestion, which writes the documents again; skips when there are none."""
    from include.enrichment.work import finish

    platform = connected()
    count = finish(platform, platform.artifacts(run_name()))
    if not count:
        raise skipped("No document is described by anything new.")
    event.extra = {"enriched": count}
    return count


def questions() -> list[Json]:
    """One question for each description of which the models are not sure, the oldest first."""
    from include.enrichment.work import waiting

    platform = connected()
    rows = waiting(platform, MOST_QUESTIONS)
    if not rows:
        raise skipped("No description waits for a person.")
    platform.artifacts(run_name()).write_json(_NAMES, [row["name"] for row in rows])
    return [_question(row) for row in rows]


def record_answers(answers: Iterable[Json | None], event: Any) -> dict[str, int]:
    """Accepts or rejects what people chose, and wakes ingestion for what was accepted."""
    from include.enrichment.work import decide

    platform = connected()
    names: list[str] = platform.artifacts(run_name()).read_json(_NAMES)
    counts = dict.fromkeys(CHOICES, 0)
    for name, answer in zip(names, answers, strict=True):
        if answer:
            chosen = answer["chosen_options"][0]
            counts[chosen] += decide(platform, [(name, chosen == "Accept")], who(answer))
    if not counts["Accept"]:
        raise skipped(f"Nothing for ingestion to do: {counts}.")
    event.extra = {"enriched": counts["Accept"]}
    return counts


def asked() -> int:
    """How many questions this run asked."""
    return len(connected().artifacts(run_name()).read_json(_NAMES))


def _question(row: Json) -> Json:
    place = plain(unquote(row["uri"] or "a document that is gone"))
    said = json.dumps(json.loads(row["values"]), ensure_ascii=False, indent=1)
    body = (
        f"`{place}`, described by {row['model']} with a confidence of {row['confidence']:.2f}. "
        f"*Accept* makes these fields part of its metadata.\n\n{fenced(said)}"
    )
    return {"subject": f"Metadata: {place.rsplit('/', 1)[-1]}", "body": body}
