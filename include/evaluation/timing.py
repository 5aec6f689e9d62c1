"""How long searches take, and how many of the true nearest chunks an index finds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from include.documents import Hit
from include.evaluation.run import Search
from include.retrieval.search import Mode

# Two computations of the same cosine in float32 agree to this.
_SAME_SCORE = 1e-5


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of single searches, the question's embedding included."""

    searches: int
    p50_ms: float
    p95_ms: float
    p99_ms: float

    def as_json(self) -> dict[str, float]:
        """The latency as JSON values."""
        return asdict(self)


def latency(
    search: Search,
    questions: Sequence[str],
    mode: Mode,
    clock: Callable[[], float] = time.perf_counter,
) -> Latency:
    """The percentiles over these questions, one after the other; the first search warms up."""
    search.search_all(questions[:1], 10, mode=mode)
    seconds = []
    for question in questions:
        before = clock()
        search.search_all([question], 10, mode=mode)
        seconds.append(clock() - before)
    return percentiles(seconds)


def percentiles(seconds: Sequence[float]) -> Latency:
    """The percentiles of searches that took so long."""
    p50, p95, p99 = (float(each) * 1_000 for each in np.percentile(seconds, [50, 95, 99]))
    return Latency(len(seconds), p50, p95, p99)


def index_recall(found: Sequence[Sequence[Hit]], exact: Sequence[Sequence[float]]) -> float:
    """The share of true nearest chunks among those found, 1 where there is nothing to find.

    `exact` are the scores of the true nearest of each query. A chunk as near as the last of them
    counts: which of several equals is found is chance.
    """
    shares = [
        min(1.0, sum(hit.score >= scores[-1] - _SAME_SCORE for hit in hits) / len(scores))
        for hits, scores in zip(found, exact, strict=True)
        if scores
    ]
    return sum(shares) / len(shares) if shares else 1.0
