"""Judging an index with golden questions: alone, or a candidate beside the live one.

What was found is kept in the lake, and with the index in the registry, where `promote` looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.documents import Block
from include.evaluation.assess import Assessment, Terms, assess
from include.evaluation.history import questions_hash, remember, trend
from include.evaluation.questions import Question, load_questions
from include.evaluation.report import Findings, page
from include.evaluation.synthetic import Titled, generate
from include.indexes import searcher
from include.retrieval.search import Mode
from include.settings import REPOSITORY
from include.wiring import Platform

Json = dict[str, Any]
DEMO_QUESTIONS = REPOSITORY / "include" / "evaluation" / "golden" / "python_packages.jsonl"
SYNTHETIC_QUESTIONS = 200
_TEXTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Judged:
    """An evaluation with everything that a page shows of it."""

    run_id: str
    assessment: Assessment
    html: str

    def as_json(self) -> Json:
        """The evaluation as JSON values."""
        return {"run_id": self.run_id, **self.assessment.as_json()}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is judged: an index (None: the live one), and another that it is held against.

    `baseline` are the metrics of an earlier evaluation, for an index that stands alone.
    """

    index: str | None = None
    against: str | None = None
    mode: Mode = "hybrid"
    baseline: Mapping[str, float] | None = None


def judge(platform: Platform, questions: Sequence[Question], asked: Asked, run_id: str) -> Judged:
    """Scores the index and keeps the result. Raises ConfigurationError for an unknown index."""
    terms = Terms(questions, asked.mode, asked.baseline)
    theirs = None
    if asked.against is not None:
        theirs = searcher(platform, None if asked.against == "live" else asked.against)
    found = assess(platform.tables, searcher(platform, asked.index), terms, theirs=theirs)
    name, now = questions_hash(questions), datetime.now(UTC)
    report: Json = {"run_id": run_id, **found.as_json()}
    remember(platform.tables, report, asked=name, run_id=run_id, at=now)
    if theirs is not None:
        verdict = {
            key: report[key] for key in ("run_id", "against", "verdict", "reasons", "metrics")
        }
        verdict |= {"at": now.isoformat(), "baseline": report["baseline"]}
        platform.registry.update(found.candidate.index, evaluation=verdict)
    html = page(Findings(found, terms, trend(platform.tables, name, asked.mode), run_id, now))
    return Judged(run_id, found, html)


def golden_questions(platform: Platform, file: Path | None = None) -> list[Question]:
    """The questions of a file, else of RAG_GOLDEN_QUESTIONS; else what fits the documents.

    That is the demo's questions when most of the documents that they name are indexed, and
    otherwise synthetic ones, tagged so, made from titles and headings. Empty without any.
    """
    chosen = file or platform.settings.golden_questions
    if chosen:
        return load_questions(chosen)
    demo = load_questions(DEMO_QUESTIONS)
    uris = platform.tables.documents.read(["uri"])["uri"].to_list()
    wanted = {path for question in demo for path in question.relevant}
    suffixes = tuple("/" + path.lstrip("/") for path in wanted)
    held = {uri for uri in uris if uri.endswith(suffixes)}
    if len(held) * 2 >= len(wanted):
        return demo
    return generate(titled_documents(platform), SYNTHETIC_QUESTIONS)


def titled_documents(platform: Platform) -> Iterator[Titled]:
    """Every document of the manifest with its text, some at a time."""
    tables = platform.tables
    known = tables.documents.read(["uri", "title", "text_hash"]).sort("uri")
    for part in known.iter_slices(_TEXTS_AT_ONCE):
        texts = tables.texts.lookup(part["text_hash"].unique().to_list())
        for row in part.join(texts, on="text_hash", maintain_order="left", how="inner").iter_rows(
            named=True
        ):
            blocks = [Block(**block) for block in row["blocks"]]
            yield Titled(row["uri"], row["title"], row["text"], blocks)
