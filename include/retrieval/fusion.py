"""Fusion: several scored rankings of the same chunks become one. Pure and deterministic.

Rankings are given best first and an id that occurs twice in one counts where it stands best.
Equal fused scores are ordered by id, so the same rankings always give the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

Scored = tuple[str, float]
RRF_CONSTANT = 60


class Fusion(Protocol):
    """Makes one ranking of several, each with its weight (equal weights by default)."""

    def __call__(
        self, rankings: Sequence[Sequence[Scored]], *, weights: Sequence[float] | None = None
    ) -> list[Scored]:
        """Every id of the rankings once, with its fused score, best first."""
        ...


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[Scored]],
    *,
    weights: Sequence[float] | None = None,
    k: int = RRF_CONSTANT,
) -> list[Scored]:
    """Fuses by the sum of `weight / (k + rank)`, ranks from 1; the scores are not looked at.

    k = 60 is the constant of Cormack, Clarke and Büttcher (SIGIR 2009).
    """
    if k < 0:
        raise ValueError(f"k should be >= 0, is now {k}")
    return _weighted_sum([_reciprocal_ranks(ranking, k) for ranking in rankings], weights)


def convex_combination(
    rankings: Sequence[Sequence[Scored]], *, weights: Sequence[float] | None = None
) -> list[Scored]:
    """Fuses by the weighted mean of the scores, each as a share of the best one of its ranking.

    The fused score lies in [0, 1] and is 1 for what is best everywhere. A score of 0 or less, and
    an id that a ranking does not hold, count as 0: cosine similarity and BM25 both have their
    "nothing in common" there, so the worst candidate is not pushed down to it as min-max scaling
    would (Bruch, Gai and Ingber, TOIS 2023, on theoretical minima).
    """
    shares = _weighted_sum([_shares_of_best(ranking) for ranking in rankings], weights)
    total = sum(_checked(weights, len(rankings)))
    return [(item, min(1.0, score / total)) for item, score in shares]


def _weighted_sum(
    scores: Sequence[Mapping[str, float]], weights: Sequence[float] | None
) -> list[Scored]:
    fused: dict[str, float] = {}
    for weight, ranking in zip(_checked(weights, len(scores)), scores, strict=True):
        for item, score in ranking.items():
            fused[item] = fused.get(item, 0.0) + weight * score
    return sorted(fused.items(), key=lambda scored: (-scored[1], scored[0]))


def _checked(weights: Sequence[float] | None, rankings: int) -> Sequence[float]:
    if weights is None:
        return [1.0] * rankings
    usable = all(weight >= 0 for weight in weights) and (sum(weights) > 0 or not rankings)
    if len(weights) != rankings or not usable:
        raise ValueError(
            f"weights should be {rankings} numbers >= 0, not all 0, are now {list(weights)}"
        )
    return weights


def _reciprocal_ranks(ranking: Sequence[Scored], k: int) -> dict[str, float]:
    return _best(ranking, lambda rank, _: 1 / (k + rank))


def _shares_of_best(ranking: Sequence[Scored]) -> dict[str, float]:
    top = max((score for _, score in ranking), default=0.0)
    return _best(ranking, lambda _, score: score / top if top > 0 else 0.0)


def _best(ranking: Sequence[Scored], value: Callable[[int, float], float]) -> dict[str, float]:
    """The highest value of each id, at least 0."""
    best: dict[str, float] = {}
    for rank, (item, score) in enumerate(ranking, start=1):
        best[item] = max(value(rank, score), best.get(item, 0.0))
    return best
