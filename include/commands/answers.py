"""`answer FILE`: a file of questions, answered; what was answered before is not asked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.answering.asking import Asking
from include.answering.batches import IN_BATCHES, answer_batch, collect, plan
from include.answering.forecast import forecast
from include.answering.questions import Asked, parse_questions
from include.commands import show
from include.commands.progress import bar
from include.errors import ConfigurationError, TransientError
from include.retrieval.extractive import EXTRACTIVE
from include.spending.approval import ANSWERING
from include.spending.caller import Caller
from include.spending.forecast import Estimate, Forecast
from include.wiring import Platform, new_run_id

Json = dict[str, Any]


def plan_file(
    platform: Platform, file: Path, *, k: int = 10, prompt: str | None = None
) -> tuple[Json, int]:
    """What `answer FILE` would ask and cost at most; asks and keeps nothing."""
    artifacts, asking = platform.artifacts(f"plan-{new_run_id()}"), Asking(k, prompt=prompt)
    questions = _questions(file)
    try:
        plan(platform, questions, asking, artifacts)
        costs = forecast(platform, artifacts, asking)
    finally:
        artifacts.remove()
    costs = costs or Forecast(ANSWERING, EXTRACTIVE, 0, Estimate())
    verdict = platform.verdict(costs.most.cost_usd)
    told = {"questions": len(questions), "to_ask": costs.items}
    return {**told, **costs.as_json(), **verdict.as_json()}, 0


def answer_file(
    platform: Platform,
    file: Path,
    *,
    out: Path | None = None,
    k: int = 10,
    prompt: str | None = None,
) -> tuple[Json, int]:
    """Answers every question; JSON Lines in the lake, and at `out`.

    Exit status 1 while questions are open: run it again to go on. Raises ApprovalError, with nothing
    asked, when it may cost more than approval_usd.
    """
    questions = _questions(file)
    run_id = new_run_id()
    platform.caller = Caller(run=run_id, task="answer")
    artifacts, asking = platform.artifacts(run_id), Asking(k, prompt=prompt, rescued=IN_BATCHES)
    batches, stopped = plan(platform, questions, asking, artifacts), ""
    limited = platform.settings.budgets.approval_usd is not None
    if limited and (costs := forecast(platform, artifacts, asking)):
        platform.require_approval_of(costs)
    with bar("Answering", sum(batch.count for batch in batches)) as advance:
        for batch in batches:
            try:
                stopped = answer_batch(platform, batch, asking, artifacts, advance).stopped
            except TransientError as error:
                stopped = str(error)
            if stopped:
                break
    result = collect(platform, asking, artifacts) | {"stopped": stopped}
    if out:
        _write(platform, result["jsonl"], out)
        result["out"] = str(out)
    return result, int(bool(result["open"]))


def shown(answer: Json) -> str:
    """Counts, cost, and where the answers are; or what they would cost."""
    if "estimated_cost_usd" in answer:
        what = f"{answer['to_ask']} of {answer['questions']} questions to ask"
        return show.forecast(answer, what, "answer")
    lines = [
        f"{answer['answered']} of {answer['questions']} questions answered "
        f"({answer['extractive']} by extracts), ${answer['cost_usd']} in all.",
        f"Answers: {answer.get('out') or answer['jsonl']}",
    ]
    if answer["stopped"]:
        lines.append(f"Stopped: {answer['stopped']} Run it again to go on.")
    return "\n".join(lines)


def _questions(file: Path) -> list[Asked]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The questions in {file} cannot be read: {error}.") from error
    return parse_questions(text, file.name)


def _write(platform: Platform, uri: str, out: Path) -> None:
    lines = platform.lake.files.read(platform.lake.files.path(uri)) or b""
    try:
        out.write_bytes(lines)
    except OSError as error:
        raise ConfigurationError(
            f"--out should name a file that can be written; {str(out)!r} cannot: {error}. The "
            f"answers are at {uri}."
        ) from error
