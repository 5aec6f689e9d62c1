"""The true nearest chunks of each query, found by comparing all of them as they pass by. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from include.embedding.protocol import FloatArray

_K = 10
# So many more are kept of the true nearest: what is as near as the last one is as good.
_TIES = 16
# Two computations of the same cosine in float32 agree to this.
_SAME_SCORE = 1e-5


class TrueNearest:
    """The true nearest chunks of each query, by whole vectors, as chunks pass by."""

    def __init__(self, asked: FloatArray) -> None:
        self._asked = asked
        self._scores: NDArray[np.float32] = np.zeros((len(asked), 0), np.float32)
        self._ids: NDArray[np.object_] = np.zeros((len(asked), 0), object)

    def add(self, ids: Sequence[str], vectors: FloatArray) -> None:
        """Takes more chunks in."""
        scores = np.hstack([self._scores, self._asked @ vectors.T])
        names = np.broadcast_to(np.array(ids, object), (len(self._asked), len(ids)))
        order = np.argsort(-scores, axis=1, kind="stable")[:, : _K + _TIES]
        self._scores = np.take_along_axis(scores, order, axis=1)
        self._ids = np.take_along_axis(np.hstack([self._ids, names]), order, axis=1)

    def recall(self, found: Sequence[Sequence[str]]) -> float:
        """The share of the ten nearest that was found; what is as near as the last counts, too."""
        shares = []
        for scores, ids, names in zip(self._scores, self._ids, found, strict=True):
            wanted = min(_K, len(ids))
            near = set(ids[scores >= scores[wanted - 1] - _SAME_SCORE]) if wanted else set()
            shares.append(min(1.0, len(near & set(names)) / wanted) if wanted else 1.0)
        return sum(shares) / len(shares) if shares else 1.0
