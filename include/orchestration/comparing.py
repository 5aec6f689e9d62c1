"""The bodies of `compare_prompts`: answers of two versions of the prompt `answer`, judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.errors import ConfigurationError
from include.observability.log import tell
from include.orchestration.approval import ask_if_forecast_is_dear
from include.orchestration.connecting import connected, run_name
from include.wiring import Platform

Json = dict[str, Any]
_QUESTIONS = "asked"


def plan_comparison(params: Mapping[str, Any]) -> Json:
    """Writes the questions down; leaves a question to a person where judging them is dear."""
    from include.answering.forecast import forecast_versions

    platform = connected()
    questions = _questions(platform, str(params["uri"] or "").strip())[: int(params["most"])]
    forecast = forecast_versions(platform, questions, _versions(params))
    ask_if_forecast_is_dear(platform, forecast)
    platform.artifacts(run_name()).write_json(_QUESTIONS, questions)
    return {"questions": len(questions), **forecast.as_json()}


def compare_prompts(params: Mapping[str, Any]) -> Json:
    """Judges the versions of the form, and leaves a page in the lake; the figures and its address."""
    from include.answering.grading import METRICS
    from include.answering.versions import grade, keep_page
    from include.evaluation.page import command
    from include.evaluation.prompt_page import summary

    platform = connected()
    questions: list[str] = platform.artifacts(run_name()).read_json(_QUESTIONS)
    found = grade(platform, questions, _versions(params))
    found["report"], _ = keep_page(platform, found, run_name())
    shows = f"`{command(run_name())}` shows the answers side by side."
    tell(f"{summary(found, METRICS)} {shows}")
    return {name: value for name, value in found.items() if name != "asked"}


def _versions(params: Mapping[str, Any]) -> list[str]:
    given = (str(params[name] or "").strip() for name in ("first", "second"))
    return [each for each in given if each]


def _questions(platform: Platform, uri: str) -> list[str]:
    """Those of the file that is named, else the golden ones."""
    from include.answering.questions import parse_questions, read_uri
    from include.judging import golden_questions

    if uri:
        rows = parse_questions(read_uri(platform, uri), uri.rpartition("/")[2])
        return [each.question for each in rows]
    found = [each.question for each in golden_questions(platform)]
    if not found:
        raise ConfigurationError(
            "There is nothing to ask: name golden questions with RAG_GOLDEN_QUESTIONS, or a file of "
            "questions in the form."
        )
    return found
