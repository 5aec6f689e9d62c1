"""`evaluate`: golden questions against an index, with a verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from include.commands.query import searcher
from include.errors import ConfigurationError
from include.evaluation.questions import load_questions
from include.evaluation.run import evaluate as evaluate_questions
from include.retrieval.search import Mode
from include.settings import REPOSITORY
from include.wiring import Platform

Json = dict[str, Any]
DEMO_QUESTIONS = REPOSITORY / "include" / "evaluation" / "golden" / "python_packages.jsonl"


def evaluate(
    platform: Platform,
    questions: Path | None,
    *,
    index: str | None = None,
    mode: Mode = "hybrid",
    baseline: Path | None = None,
) -> tuple[Json, int]:
    """Scores the live index (or another); exit status 1 when it falls short of the baseline."""
    result = evaluate_questions(
        load_questions(questions or DEMO_QUESTIONS),
        searcher(platform, index),
        mode=mode,
        baseline=_metrics(baseline) if baseline else None,
    )
    return result.as_json(), 1 if result.verdict == "fail" else 0


def _metrics(path: Path) -> dict[str, float]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        return {name: float(value) for name, value in report["metrics"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(
            f"--baseline should be a file with the JSON of `evaluate --json`; {str(path)!r} "
            f"cannot be used: {error!r}."
        ) from error
