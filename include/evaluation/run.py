"""An evaluation: golden questions through a search, metrics out, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from include.documents import Hit
from include.errors import ConfigurationError
from include.evaluation.metrics import METRICS, documents_in_order, mean
from include.evaluation.questions import Question
from include.retrieval.search import Mode

Verdict = Literal["pass", "fail", "no baseline"]
CHUNKS = 100
"""How many chunks are looked at: recall@50 is over their documents, fewer than 50 as a rule."""
TOLERANCE = 0.02


class Search(Protocol):
    """What is evaluated; `include.retrieval.search.Searcher` is one."""

    @property
    def index(self) -> str:
        """The name of the index."""
        ...

    def search_all(
        self, queries: Sequence[str], k: int = 10, *, mode: Mode = "hybrid"
    ) -> list[list[Hit]]:
        """The `k` best chunks of each query, best first."""
        ...


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """How one question went: its metrics and the first ten documents, best first."""

    id: str
    tags: tuple[str, ...]
    metrics: Mapping[str, float]
    ranking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of all questions, of each tag and of each question, and what follows from them.

    `verdict` is `fail` when any metric of the baseline is missed by more than the tolerance.
    """

    index: str
    mode: str
    metrics: Mapping[str, float]
    by_tag: Mapping[str, Mapping[str, float]]
    questions: tuple[QuestionResult, ...]
    baseline: Mapping[str, float] | None
    tolerance: float
    verdict: Verdict

    def as_json(self, *, questions: bool = False) -> dict[str, object]:
        """The evaluation as JSON values; with every question's result only when asked for."""
        report: dict[str, object] = {
            "index": self.index,
            "mode": self.mode,
            "questions": len(self.questions),
            "metrics": dict(self.metrics),
            "by_tag": {tag: dict(metrics) for tag, metrics in self.by_tag.items()},
            "baseline": None if self.baseline is None else dict(self.baseline),
            "tolerance": self.tolerance,
            "verdict": self.verdict,
        }
        if questions:
            report["results"] = [
                asdict(result) | {"tags": list(result.tags), "ranking": list(result.ranking)}
                for result in self.questions
            ]
        return report

    def worst(self, count: int = 10, *, metric: str = "ndcg@10") -> list[QuestionResult]:
        """The questions that went worst by this metric, worst first, equal ones by id."""
        return sorted(self.questions, key=lambda r: (r.metrics[metric], r.id))[:count]


def evaluate(
    questions: Sequence[Question],
    searcher: Search,
    *,
    mode: Mode = "hybrid",
    baseline: Mapping[str, float] | None = None,
    tolerance: float = TOLERANCE,
) -> Evaluation:
    """Searches every question and scores the documents of its 100 best chunks.

    A document counts where its best-ranked chunk stands. Raises ConfigurationError without
    questions, or for a baseline with a metric that is not measured.
    """
    if not questions:
        raise ConfigurationError("An evaluation needs at least one question, got none.")
    found = searcher.search_all([q.question for q in questions], CHUNKS, mode=mode)
    results = tuple(
        judge(question, [hit.uri for hit in hits])
        for question, hits in zip(questions, found, strict=True)
    )
    tags = sorted({tag for question in questions for tag in question.tags})
    metrics = _means(results)
    return Evaluation(
        index=searcher.index,
        mode=mode,
        metrics=metrics,
        by_tag={tag: _means([r for r in results if tag in r.tags]) for tag in tags},
        questions=results,
        baseline=baseline,
        tolerance=tolerance,
        verdict=verdict(metrics, baseline, tolerance),
    )


def judge(question: Question, uris: Sequence[str]) -> QuestionResult:
    """One question's metrics, from the uris of its ranked chunks."""
    ranking = documents_in_order(question.name(uri) for uri in uris)
    metrics = {name: metric(ranking, question.relevant, k) for name, (metric, k) in METRICS.items()}
    return QuestionResult(question.id, question.tags, metrics, tuple(ranking[:10]))


def verdict(
    metrics: Mapping[str, float], baseline: Mapping[str, float] | None, tolerance: float = TOLERANCE
) -> Verdict:
    """`pass` when no metric lies more than `tolerance` (absolute) below the baseline's."""
    if not baseline:
        return "no baseline"
    for name, before in baseline.items():
        if name not in metrics:
            raise ConfigurationError(
                f"The baseline has a metric {name!r}; measured are {', '.join(metrics)}."
            )
        if metrics[name] < before - tolerance - 1e-9:
            return "fail"
    return "pass"


def _means(results: Sequence[QuestionResult]) -> dict[str, float]:
    return {name: mean([result.metrics[name] for result in results]) for name in METRICS}
