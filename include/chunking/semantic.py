"""The strategy `semantic`: sections are divided where the meaning of their sentences drifts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from include.chunking.budgeted import BudgetedChunker
from include.chunking.merging import merged, signatures
from include.chunking.packing import Packer
from include.chunking.protocol import Tokenizer
from include.chunking.sentences import sentence_units
from include.chunking.tokens import TokenIndex
from include.chunking.units import SECTION, Unit
from include.documents import Block, Span

_BESIDE = 3
"""Sentences on each side whose mean is compared: one alone says too little about its topic."""

Vectors = NDArray[np.float32]


class SentenceVectors(Protocol):
    """Where the vectors of sentences come from."""

    @property
    def id(self) -> str:
        """The embedder's identity."""
        ...

    def __call__(self, texts: Sequence[str]) -> Vectors | None:
        """Unit vectors of shape (len(texts), dimensions), in order.

        None when they are not known and must not be computed, as when a run is only planned.
        """
        ...


class SemanticChunker(BudgetedChunker):
    """Puts the most similar neighbours together first, as long as they fit one chunk.

    A boundary with less similarity across it than any other for 7/16 of a chunk around always
    stays. There is no overlap: it would carry one topic into the next. A document that fits one
    chunk is one chunk, and none of its sentences is embedded. Without vectors the boundaries are
    those that hashes choose, about as many.
    """

    version = "semantic-1"

    def __init__(self, tokenizer: Tokenizer, vectors: SentenceVectors, *, tokens: int) -> None:
        super().__init__(tokenizer, tokens=tokens)
        self._vectors = vectors

    @property
    def id(self) -> str:
        """`semantic-1/<tokens>/<embedder>/<tokenizer>`."""
        return f"{self.version}/{self._budget.tokens}/{self._vectors.id}/{self._tokenizer.id}"

    def _divided(self, text: str, blocks: Sequence[Block], index: TokenIndex) -> list[Span]:
        planned = self._budget.planned
        units = sentence_units(text, blocks, index, planned)
        chosen = signatures(text, units)
        vectors = self._vectors([text[unit.start : unit.end] for unit in units])
        if vectors is not None:
            chosen = _by_similarity(units, vectors, chosen)
        groups = merged(units, planned, chosen, anchored=1)
        return Packer(text, blocks, index, self._budget).spans(units, groups)


def _by_similarity(units: Sequence[Unit], vectors: Vectors, hashes: Sequence[int]) -> list[int]:
    """Signatures that dissolve the boundary with the most similar sides first.

    Similarities are rounded to thousandths, so that the last bits of a float decide nothing.
    """
    return [
        round((similarity + 1) * 500) << 32 | low >> 32
        for similarity, low in zip(_similarities(units, vectors), hashes, strict=True)
    ]


def _similarities(units: Sequence[Unit], vectors: Vectors) -> list[float]:
    """The cosine between the means of the sentences before and behind each unit's start.

    No sentence of another section is looked at; 0 where a section begins.
    """
    sums = np.concatenate([np.zeros((1, vectors.shape[1])), vectors.cumsum(0, dtype=np.float64)])
    starts = [at for at, unit in enumerate(units) if not at or unit.strength >= SECTION]
    found = np.zeros(len(units))
    for first, end in pairwise([*starts, len(units)]):
        at = np.arange(first + 1, end)
        left = sums[at] - sums[np.maximum(first, at - _BESIDE)]
        right = sums[np.minimum(end, at + _BESIDE)] - sums[at]
        lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        found[at] = (left * right).sum(1) / np.maximum(lengths, 1e-9)
    clipped: list[float] = np.clip(found, -1, 1).tolist()
    return clipped
