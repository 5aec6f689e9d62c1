"""`evaluate`: golden questions against an index, alone or beside another, with a verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.errors import ConfigurationError
from include.golden.drift import DAYS
from include.judging import Asked as Judging
from include.judging import golden_questions, judge
from include.retrieval.search import Mode
from include.spending.caller import Caller
from include.wiring import Platform, new_run_id

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is evaluated: an index (the live one by default), and what it is held against.

    `baseline` is a file with the JSON of an earlier evaluation; `against` is `live` or an index.
    `report` is a file for the HTML page, `options` what is tried beside it: fewer dimensions, fewer
    bits. Real queries of the last `traffic_days` are looked at.
    """

    questions: Path | None = None
    index: str | None = None
    mode: Mode = "hybrid"
    baseline: Path | None = None
    against: str | None = None
    report: Path | None = None
    traffic_days: int = DAYS
    options: str | None = None


def evaluate(platform: Platform, asked: Asked) -> tuple[Json, int]:
    """Scores an index, and keeps the result in the lake.

    Exit status 1 when it falls short of the baseline, or is refused beside the other index.
    """
    if asked.against and asked.baseline:
        raise ConfigurationError("evaluate takes --against or --baseline, not both.")
    if asked.traffic_days < 1:
        raise ConfigurationError(f"--traffic-days should be >= 1, is {asked.traffic_days}.")
    run_id = new_run_id()
    platform.caller = Caller(run=run_id, task="evaluate")
    platform.live_index()
    questions = golden_questions(platform, asked.questions)
    if not questions:
        raise ConfigurationError(
            "There is nothing to ask: no document has a title or headings to make questions of. "
            "Name a file of golden questions with --questions or RAG_GOLDEN_QUESTIONS."
        )
    baseline = _metrics(asked.baseline) if asked.baseline else None
    judging = Judging(
        asked.index,
        asked.against,
        asked.mode,
        baseline,
        traffic_days=asked.traffic_days,
        options=asked.options,
    )
    judged = judge(platform, questions, judging, run_id)
    answer = judged.as_json()
    if asked.report:
        write_page(asked.report, judged.html)
        answer["report"] = str(asked.report)
    return answer, int(judged.assessment.verdict in ("fail", "refuse"))


def write_page(path: Path, text: str, option: str = "--report") -> None:
    """Raises ConfigurationError for a file, given by that option, that cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{option} should name a file that can be written; {str(path)!r} cannot: {error}."
        ) from error


def _metrics(path: Path) -> dict[str, float]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        return {name: float(value) for name, value in report["metrics"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(
            f"--baseline should be a file with the JSON of `evaluate --json`; {str(path)!r} "
            f"cannot be used: {error!r}."
        ) from error
