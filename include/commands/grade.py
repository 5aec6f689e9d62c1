"""`evaluate --judge`: answers judged by a chat model; one version of the prompt beside another."""

from __future__ import annotations

import argparse
from typing import Any

from include.answering.forecast import forecast_agreement, forecast_versions
from include.answering.grading import METRICS, agreement, require_judge
from include.answering.versions import grade as graded
from include.answering.versions import keep_page
from include.commands.evaluate import write_page
from include.commands.progress import bar
from include.errors import ConfigurationError
from include.evaluation.prompt_page import name_of
from include.judging import golden_questions
from include.spending.caller import Caller
from include.wiring import Platform, new_run_id

Json = dict[str, Any]
_WIDTH = 22


def grade(platform: Platform, chosen: argparse.Namespace) -> Json:
    """Judges answers to the golden questions, and leaves a page in the lake; or the judge itself."""
    run_id = new_run_id()
    platform.caller = Caller(run=run_id, task="judge")
    require_judge(platform)
    if chosen.agreement:
        platform.require_approval_of(forecast_agreement(platform))
        return agreement(platform)
    versions = chosen.prompt_version or [None]
    if len(versions) > 2 or chosen.most < 1:
        raise ConfigurationError(
            "evaluate compares two --prompt-version, and judges at least one question (--most)."
        )
    questions = [each.question for each in golden_questions(platform, chosen.questions)]
    if not questions:
        raise ConfigurationError("There is nothing to ask: name a file with --questions.")
    questions = questions[: chosen.most]
    platform.require_approval_of(forecast_versions(platform, questions, versions))
    with bar("Judging", len(questions) * len(versions)) as advance:
        found = graded(platform, questions, versions, on_progress=advance)
    found["report"], html = keep_page(platform, found, run_id)
    if chosen.report:
        write_page(chosen.report, html)
        found["report"] = str(chosen.report)
    return found


def shown(answer: Json) -> str:
    """One row a metric: a column for each version, and what differs."""
    lines = _agreement(answer) if "agreement" in answer else _table(answer)
    unusable = sum(answer["unusable"].values())
    if unusable:
        lines.append(f"{unusable} verdicts could not be used and count nowhere.")
    lines.append(f"Judged by {answer['judge']} for ${answer['judge_usd']}.")
    return "\n".join([*lines, *([f"Page: {answer['report']}"] if "report" in answer else [])])


def _table(answer: Json) -> list[str]:
    judged = answer["judged"]
    head = f"{'':<18}" + "".join(f"{name_of(row):>{_WIDTH}}" for row in judged)
    lines = [head + ("    second - first" if answer["differences"] else "")]
    for metric in METRICS:
        line = f"{metric:<18}" + "".join(f"{_number(row[metric]):>{_WIDTH}}" for row in judged)
        between = (answer["differences"] or {}).get(metric)
        if between:
            line += f"    {between['mean']:+.4f} [{between['low']:+.4f}, {between['high']:+.4f}]"
        lines.append(line)
    costs = "".join(f"{'$' + row['answers_usd']:>{_WIDTH}}" for row in judged)
    return [*lines, f"{'answers cost':<18}{costs}", f"Over {answer['questions']} questions."]


def _agreement(answer: Json) -> list[str]:
    return [
        f"{metric:<18} agrees with {_number(row['agree'])} of {row['items']} labels, "
        f"kappa {_number(row['kappa'])}"
        for metric, row in answer["agreement"].items()
    ]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
