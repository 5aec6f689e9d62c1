"""Whether a set of vectors looks like embeddings: lengths, repetitions, and drift. Pure.

All of it on samples: 2,000 vectors of each index tell a broken model from a sound one, at the cost of
one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Health:
    """What a sample of an index's vectors looks like.

    `off_norm` counts vectors that are not finite or not within 0.001 of length 1. `duplicates` is
    the share of texts whose vector is exactly that of another text. `nearest` are the quartiles of
    the cosine distance from a vector to its nearest neighbour of another text. `spread` is the mean
    cosine distance of two vectors: near 0 when a model gives the same for everything.
    """

    vectors: int
    norm_low: float
    norm_high: float
    off_norm: int
    duplicates: float
    nearest: tuple[float, float, float]
    spread: float

    def as_json(self) -> dict[str, object]:
        """The health as JSON values."""
        return asdict(self) | {"nearest": list(self.nearest)}


@dataclass(frozen=True, slots=True)
class Drift:
    """How a candidate's vectors lie against the live ones.

    `centroid` is the cosine distance of the two means, None for vectors of two models, which have no
    directions in common. `nearest` is the quotient of the median distances to the nearest
    neighbour, candidate over live: 1 is no drift; models differ, so it is reported and not judged.
    """

    centroid: float | None
    nearest: float | None


def examine(vectors: Vectors, texts: Sequence[str]) -> Health:
    """The health of vectors whose texts have these hashes, in the same order."""
    if not len(vectors):
        return Health(0, 0.0, 0.0, 0, 0.0, (0.0, 0.0, 0.0), 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    finite = np.isfinite(norms)
    known = norms[finite] if finite.any() else np.zeros(1)
    # Without the unsound ones, and of each text one: equal texts have equal vectors by right.
    _, first = np.unique(np.asarray(texts), return_index=True)
    sound = np.array([at for at in np.sort(first) if finite[at] and norms[at] > 0], dtype=int)
    unit = (vectors[sound] / norms[sound, None]).astype(np.float32)
    return Health(
        vectors=len(vectors),
        norm_low=float(known.min()),
        norm_high=float(known.max()),
        off_norm=int((~(np.abs(norms - 1) <= 1e-3)).sum()),
        duplicates=_duplicates(unit),
        nearest=_nearest(unit),
        spread=_spread(unit),
    )


def drift(
    candidate: Vectors, live: Vectors, of: tuple[Health, Health], *, same_model: bool
) -> Drift:
    """The drift of a candidate's sample from the live one; `of` is the health of both."""
    ours, theirs = of
    centroid = None
    if same_model and len(candidate) and len(live):
        means = [np.nan_to_num(each).mean(axis=0, dtype=np.float64) for each in (candidate, live)]
        lengths = np.linalg.norm(means[0]) * np.linalg.norm(means[1])
        centroid = float(1 - means[0] @ means[1] / lengths) if lengths else 1.0
    quotient = ours.nearest[1] / theirs.nearest[1] if theirs.nearest[1] > 0 else None
    return Drift(centroid, quotient)


def _duplicates(unit: Vectors) -> float:
    if len(unit) < 2:
        return 0.0
    _, counts = np.unique(unit, axis=0, return_counts=True)
    return float(counts[counts > 1].sum() / len(unit))


def _nearest(unit: Vectors) -> tuple[float, float, float]:
    if len(unit) < 2:
        return (0.0, 0.0, 0.0)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    quartiles = np.percentile(np.clip(1 - likeness.max(axis=1), 0, 2), [25, 50, 75])
    return (float(quartiles[0]), float(quartiles[1]), float(quartiles[2]))


def _spread(unit: Vectors) -> float:
    """1 minus the mean cosine of all pairs of different vectors, from the length of their sum."""
    count = len(unit)
    if count < 2:
        return 0.0
    total = unit.sum(axis=0, dtype=np.float64)
    return float(1 - (total @ total - count) / (count * (count - 1)))
