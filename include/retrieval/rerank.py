"""Reranking: a second, slower look at the first hits of a search.

The default keeps the order as it is. A cross-encoder reads question and passage together and is
usually better than any first-stage order, at 20 to 100 times the cost per passage; it is a
plug-in because no model for it is installed by default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from include.documents import Hit
from include.errors import ModelError

PairScores = Callable[[list[tuple[str, str]]], Sequence[float]]


class Reranker(Protocol):
    """Orders hits anew for a query."""

    def rerank(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        """The same hits, each once, best first."""
        ...


@dataclass(frozen=True, slots=True)
class KeepOrder:
    """The identity: hits stay as the search ordered them."""

    def rerank(self, query: str, hits: Sequence[Hit]) -> list[Hit]:  # noqa: ARG002 the protocol's
        """The hits as they are."""
        return list(hits)


@dataclass(frozen=True, slots=True)
class PairReranker:
    """Orders the first `depth` hits by a model's score of (query, text); the rest stay behind them.

    A reranked hit carries the model's score. Scores of reranked and other hits do not compare.
    """

    scores: PairScores
    depth: int = 30

    def rerank(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        """The first `depth` by the model, best first, then the others as they were."""
        head = hits[: self.depth]
        scores = self.scores([(query, hit.text) for hit in head]) if head else []
        if len(scores) != len(head):
            raise ModelError(f"The reranker gave {len(scores)} scores for {len(head)} passages.")
        scored = [replace(hit, score=float(score)) for hit, score in zip(head, scores, strict=True)]
        scored.sort(key=lambda hit: (-hit.score, hit.chunk_id))
        return [*scored, *hits[self.depth :]]


def cross_encoder(model: str) -> PairScores:
    """Scores by the sentence-transformers cross-encoder at this path or of this name.

    Loads the model at once (seconds). Raises ModelError when it cannot be loaded.
    """
    from sentence_transformers import CrossEncoder

    try:
        loaded = CrossEncoder(model)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The cross-encoder {model!r} cannot be loaded ({error}); expected a folder with a "
            f"sentence-transformers cross-encoder, or the name of one that can be downloaded."
        ) from error
    return lambda pairs: [float(score) for score in loaded.predict(pairs)]
