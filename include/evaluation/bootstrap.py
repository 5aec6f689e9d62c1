"""Confidence intervals of mean differences, resampled over questions. Pure and repeatable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLES = 2_000
_SEED = 7
_LEVELS = (2.5, 97.5)
# Resampling happens in blocks of about this many picks, whatever the number of questions.
_PICKS = 2_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % bootstrap confidence interval."""

    mean: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """`mean`, `low` and `high`."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def intervals(
    values: NDArray[np.float64], *, samples: int = SAMPLES, seed: int = _SEED
) -> list[Interval]:
    """The mean of each column and its interval; a row is a question, resampled as a whole.

    The percentile bootstrap (Efron and Tibshirani, 1993). The same seed gives the same intervals.
    """
    rows = len(values)
    if not rows:
        raise ValueError("a bootstrap should have at least one question, has none")
    means = np.vstack([block @ values for block in _weights(rows, samples, seed)])
    low, high = np.percentile(means, _LEVELS, axis=0)
    both = zip(values.mean(axis=0), low, high, strict=True)
    # Rounding of a sum must not put a mean outside its own interval.
    return [
        Interval(float(m), min(float(m), float(a)), max(float(m), float(b))) for m, a, b in both
    ]


def paired_bootstrap(
    ours: Sequence[float], baseline: Sequence[float], *, samples: int = SAMPLES, seed: int = _SEED
) -> Interval:
    """The mean per-question difference `ours - baseline`, resampled over questions.

    Both hold the same questions in the same order. An interval around 0 says that the difference
    may be chance.
    """
    if len(ours) != len(baseline) or not ours:
        raise ValueError(
            f"a paired bootstrap should have equally many values, at least one; "
            f"has {len(ours)} and {len(baseline)}"
        )
    difference = np.asarray(ours, dtype=float) - np.asarray(baseline, dtype=float)
    return intervals(difference[:, None], samples=samples, seed=seed)[0]


def _weights(rows: int, samples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each row is picked in each sample, over the number of rows; in blocks of samples."""
    generator, block = np.random.default_rng(seed), max(1, _PICKS // rows)
    for start in range(0, samples, block):
        some = min(block, samples - start)
        picks = generator.integers(rows, size=(some, rows)) + np.arange(some)[:, None] * rows
        counts = np.bincount(picks.ravel(), minlength=some * rows)
        yield counts.reshape(some, rows) / rows
