"""How real queries lie against the golden questions: whether an evaluation asks what people ask. Pure.

Distances are cosine distances of unit vectors, from 0 to 2. What is far is decided by the golden
questions themselves: as far from its nearest golden question as only one golden question in twenty is
from its nearest other one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]

FAR_AMONG_GOLDEN = 0.95
"""The quantile of the golden questions' own distances beyond which a query is far."""
MOST_FAR = 0.2
"""A share of far queries that is surely above this says that the golden set asks something else."""
FEWEST = 30
"""With fewer different queries, or fewer golden questions than ten, nothing is concluded."""
FEWEST_GOLDEN = 10
MOST_WITHOUT_HITS = 0.05
TOPICS = 10
_LOW_AMONG_GOLDEN = 0.1
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_CONFIDENCE = 1.96


@dataclass(frozen=True, slots=True)
class Topic:
    """Far queries that lie near each other: the middle one's place, and how many times they came."""

    at: int
    queries: int
    distance: float


@dataclass(frozen=True, slots=True)
class Spread:
    """How distances are spread: the quantiles 0.1, 0.25, 0.5, 0.75, 0.9 and the largest."""

    quantiles: tuple[float, ...]

    def as_json(self) -> dict[str, float]:
        """The quantiles by name."""
        names = ("p10", "p25", "p50", "p75", "p90", "max")
        return dict(zip(names, self.quantiles, strict=True))


@dataclass(frozen=True, slots=True)
class Distances:
    """Real queries against golden questions.

    `nearest` is how far queries are from their nearest golden question, `apart` how far golden
    questions are from each other; `far` is the distance beyond which a query is far, and `far_share`
    the share of queries there, with a 95 % interval. `centroid` is the distance of the two means.
    `topics` are groups of far queries, the largest first.
    """

    nearest: Spread
    apart: Spread
    far: float
    far_share: float
    interval: tuple[float, float]
    centroid: float
    topics: tuple[Topic, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Answered:
    """How queries went, by counts: all, those without a hit, and those with a low best score.

    A score is low that lies below nine in ten of the golden questions' best scores in the same mode;
    `scored` counts the queries for which that is known.
    """

    queries: int
    without_hits: int
    low_score: int
    scored: int

    def as_json(self) -> dict[str, float | int | None]:
        """Counts and shares; a share of nothing is None."""
        return {
            **asdict(self),
            "without_hits_share": self.without_hits / self.queries if self.queries else None,
            "low_score_share": self.low_score / self.scored if self.scored else None,
        }


def compare(queries: Vectors, counts: Sequence[int], golden: Vectors) -> Distances:
    """The distances of different queries, each of which came so many times; rows are unit vectors.

    Raises ValueError without queries, or with fewer than two golden questions.
    """
    if not len(queries) or len(golden) < 2:
        raise ValueError(
            f"a comparison should have a query and two golden questions, has {len(queries)} and "
            f"{len(golden)}"
        )
    weights = np.asarray(counts, dtype=np.float64)
    nearest = _distances(queries @ golden.T)
    apart = _apart(golden)
    # Queries as near as rounding can tell are not far, however alike the golden questions are.
    far = float(np.quantile(apart, FAR_AMONG_GOLDEN)) + 1e-6
    is_far = nearest > far
    share = float(weights[is_far].sum() / weights.sum())
    # Repeats of one query are one observation: the interval counts what is different.
    return Distances(
        nearest=Spread(_weighted(nearest, weights)),
        apart=Spread(_weighted(apart, np.ones(len(apart)))),
        far=far,
        far_share=share,
        interval=wilson(float(is_far.mean()), len(queries)),
        centroid=_between(np.average(queries, axis=0, weights=weights), golden.mean(axis=0)),
        topics=_topics(queries, weights, nearest, far),
    )


def answered(
    scores: Sequence[tuple[str, float | None]], golden: Mapping[str, Sequence[float]]
) -> Answered:
    """How queries went, from mode and best score (None without hits); `golden` by mode."""
    lowest = {
        mode: float(np.quantile(held, _LOW_AMONG_GOLDEN)) for mode, held in golden.items() if held
    }
    known = [(mode, score) for mode, score in scores if score is not None and mode in lowest]
    return Answered(
        queries=len(scores),
        without_hits=sum(score is None for _, score in scores),
        low_score=sum(score < lowest[mode] for mode, score in known),
        scored=len(known),
    )


def represents(found: Distances, *, queries: int, golden: int) -> bool | None:
    """Whether the golden questions ask what people ask; None where there is too little to tell."""
    if queries < FEWEST or golden < FEWEST_GOLDEN:
        return None
    return found.interval[0] <= MOST_FAR


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of so many (Wilson, JASA 1927)."""
    squared = _CONFIDENCE**2
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    half = sqrt(share * (1 - share) / count + squared / (4 * count**2))
    half *= _CONFIDENCE / (1 + squared / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def _distances(likeness: Vectors) -> Floats:
    nearest = np.asarray(likeness.max(axis=1), dtype=np.float64)
    return np.clip(1 - nearest, 0, 2)


def _apart(golden: Vectors) -> Floats:
    likeness = golden @ golden.T
    np.fill_diagonal(likeness, -np.inf)
    return _distances(likeness)


def _between(ours: Floats, theirs: Floats) -> float:
    lengths = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
    return float(np.clip(1 - ours @ theirs / lengths, 0, 2)) if lengths else 1.0


def _weighted(values: Floats, weights: Floats) -> tuple[float, ...]:
    """Quantiles of values that occur so many times: the smallest with at least that share below."""
    order = np.argsort(values, kind="stable")
    shares = np.cumsum(weights[order]) / weights.sum()
    places = np.searchsorted(shares, np.array(_QUANTILES) - 1e-9).clip(max=len(values) - 1)
    return tuple(float(value) for value in values[order][places])


def _topics(queries: Vectors, weights: Floats, nearest: Floats, far: float) -> tuple[Topic, ...]:
    """The far query with most far ones within that distance of it, then the next among the rest.

    Of queries that gather equally many, the one in their middle.
    """
    left = np.flatnonzero(nearest > far)
    likeness = queries[left] @ queries[left].T
    near = likeness >= 1 - far
    np.fill_diagonal(near, True)
    open_ = np.ones(len(left), dtype=bool)
    found: list[Topic] = []
    while open_.any() and len(found) < TOPICS:
        counted = weights[left] * open_
        sizes = np.where(open_, near @ counted, -1.0)
        middle = int(np.lexsort((-((near * likeness) @ counted), -sizes))[0])
        members = near[middle] & open_
        size = int(weights[left][members].sum())
        found.append(Topic(int(left[middle]), size, float(nearest[left[middle]])))
        open_ &= ~members
    return tuple(found)
