"""`evaluate`: golden questions against an index, alone or beside another, with a verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.commands.query import searcher
from include.errors import ConfigurationError
from include.evaluation.assess import Terms, assess
from include.evaluation.history import questions_hash, remember, trend
from include.evaluation.questions import load_questions
from include.evaluation.report import Findings, page
from include.retrieval.search import Mode, Searcher
from include.settings import REPOSITORY
from include.wiring import Platform, new_run_id

Json = dict[str, Any]
DEMO_QUESTIONS = REPOSITORY / "include" / "evaluation" / "golden" / "python_packages.jsonl"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is evaluated: an index (the live one by default), and what it is held against.

    `baseline` is a file with the JSON of an earlier evaluation; `against` is `live` or an index.
    `embedder` and `against_embedder` are values of RAG_EMBEDDER, where an index was filled by
    another model than the configured one. `report` is a file for the HTML page.
    """

    questions: Path | None = None
    index: str | None = None
    mode: Mode = "hybrid"
    baseline: Path | None = None
    against: str | None = None
    embedder: str | None = None
    against_embedder: str | None = None
    report: Path | None = None


def evaluate(platform: Platform, asked: Asked) -> tuple[Json, int]:
    """Scores an index, and keeps the result in the lake.

    Exit status 1 when it falls short of the baseline, or is refused beside the other index.
    """
    if asked.against and asked.baseline:
        raise ConfigurationError("evaluate takes --against or --baseline, not both.")
    questions = load_questions(asked.questions or DEMO_QUESTIONS)
    terms = Terms(questions, asked.mode, _metrics(asked.baseline) if asked.baseline else None)
    found = assess(
        platform.tables,
        _searcher(platform, asked.index, asked.embedder),
        terms,
        theirs=_other(platform, asked),
    )
    name, run_id, now = questions_hash(questions), new_run_id(), datetime.now(UTC)
    answer: Json = {"run_id": run_id, **found.as_json()}
    remember(platform.tables, answer, asked=name, run_id=run_id, at=now)
    if asked.report:
        past = trend(platform.tables, name, asked.mode)
        _write(asked.report, page(Findings(found, terms, past, run_id, now)))
        answer["report"] = str(asked.report)
    return answer, int(found.verdict in ("fail", "refuse"))


def _other(platform: Platform, asked: Asked) -> Searcher | None:
    if asked.against is None:
        return None
    index = None if asked.against == "live" else asked.against
    return _searcher(platform, index, asked.against_embedder)


def _searcher(platform: Platform, index: str | None, embedder: str | None) -> Searcher:
    """A searcher on an index, with the model that filled it."""
    if embedder is None:
        return searcher(platform, index)
    settings = platform.settings.with_embedder(embedder)
    return searcher(Platform(settings, platform.deployment), index)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"--report should name a file that can be written; {str(path)!r} cannot: {error}."
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
