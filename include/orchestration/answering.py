"""The bodies of `answer_questions`: a file of questions in, answers with citations out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from include.errors import BudgetError, ConfigurationError
from include.orchestration.approval import ask_if_forecast_is_dear
from include.orchestration.connecting import connected, load, run_name

Json = dict[str, Any]


def plan_answers(params: Mapping[str, Any]) -> list[Json]:
    """Reads the questions and cuts those that have no answer yet into batches."""
    from include.answering.batches import plan
    from include.answering.forecast import forecast
    from include.answering.questions import parse_questions, read_uri

    uri, typed = str(params["uri"] or "").strip(), str(params["questions"] or "")
    if bool(uri) == bool(typed.strip()):
        raise ConfigurationError(
            "The form should have the URI of a file of questions, or questions, one a line; it has "
            f"{'both' if uri else 'neither'}."
        )
    platform = connected()
    text = read_uri(platform, uri) if uri else typed
    questions = parse_questions(text, uri.rpartition("/")[2] or "questions.txt")
    artifacts, asking = platform.artifacts(run_name()), _asking(params)
    batches = plan(platform, questions, asking, artifacts)
    if costs := forecast(platform, artifacts, asking):
        ask_if_forecast_is_dear(platform, costs)
    return [asdict(batch) for batch in batches]


def answer_questions(params: Mapping[str, Any], batch: Json) -> Json:
    """Answers one batch; each answer is kept as it comes."""
    from include.answering.batches import Batch, answer_batch

    platform = connected()
    artifacts = platform.artifacts(run_name())
    return asdict(answer_batch(platform, load(Batch, batch), _asking(params), artifacts))


def collect_answers(params: Mapping[str, Any]) -> Json:
    """Writes all answers that there are; fails, afterwards, while questions are open."""
    from include.answering.batches import collect

    platform = connected()
    found = collect(platform, _asking(params), platform.artifacts(run_name()))
    if found["open"]:
        raise BudgetError(
            f"{found['open']} of {found['questions']} questions have no answer, because a budget is "
            f"used up. {found['jsonl']} has the others. Run it again with the same questions to go "
            f"on; what was answered is not paid again."
        )
    return found


def _asking(params: Mapping[str, Any]) -> Any:
    from include.answering.asking import Asking
    from include.answering.batches import IN_BATCHES

    prompt = str(params["prompt_version"] or "").strip() or None
    return Asking(int(params["k"]), prompt=prompt, rescued=IN_BATCHES)
