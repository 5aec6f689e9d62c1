"""Ranking metrics over one question's documents. Pure.

A ranking is document names, best first, each once: a document stands where its best-ranked chunk
stood (`documents_in_order`). Grades map the relevant documents to a gain above 0; whatever is not
in them has gain 0. All metrics lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import log2

Grades = Mapping[str, float]
Metric = Callable[[Sequence[str], Grades, int], float]


def documents_in_order(chunk_documents: Iterable[str]) -> list[str]:
    """The documents of ranked chunks, each once, at the place of its best-ranked chunk."""
    return list(dict.fromkeys(chunk_documents))


def ndcg(ranking: Sequence[str], grades: Grades, k: int) -> float:
    """Discounted cumulative gain of the first `k`, over that of the ideal ranking of all grades.

    Linear gain and a log2(rank + 1) discount (Järvelin and Kekäläinen, TOIS 2002; trec_eval's
    `ndcg_cut`).
    """
    ideal = sorted(_relevant(grades).values(), reverse=True)
    gains = [_relevant(grades).get(document, 0.0) for document in ranking]
    return min(1.0, _discounted(gains, _bounded(k)) / _discounted(ideal, k)) if ideal else 0.0


def recall(ranking: Sequence[str], grades: Grades, k: int) -> float:
    """The share of all relevant documents that is among the first `k`."""
    relevant = _relevant(grades)
    found = sum(document in relevant for document in ranking[: _bounded(k)])
    return found / len(relevant) if relevant else 0.0


def precision(ranking: Sequence[str], grades: Grades, k: int) -> float:
    """The share of relevant documents among `k` places; an empty place is not relevant."""
    relevant = _relevant(grades)
    return sum(document in relevant for document in ranking[: _bounded(k)]) / k


def reciprocal_rank(ranking: Sequence[str], grades: Grades, k: int) -> float:
    """One over the rank of the first relevant document, 0 when none is among the first `k`."""
    relevant = _relevant(grades)
    for rank, document in enumerate(ranking[: _bounded(k)], start=1):
        if document in relevant:
            return 1 / rank
    return 0.0


METRICS: Mapping[str, tuple[Metric, int]] = {
    "ndcg@10": (ndcg, 10),
    "recall@1": (recall, 1),
    "recall@5": (recall, 5),
    "recall@10": (recall, 10),
    "recall@50": (recall, 50),
    "mrr@10": (reciprocal_rank, 10),
    "precision@5": (precision, 5),
    "precision@10": (precision, 10),
}


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean, 0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def _relevant(grades: Grades) -> dict[str, float]:
    return {document: grade for document, grade in grades.items() if grade > 0}


def _discounted(gains: Sequence[float], k: int) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains[:k], start=1))


def _bounded(k: int) -> int:
    if k < 1:
        raise ValueError(f"k should be >= 1, is now {k}")
    return k
