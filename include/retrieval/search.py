"""Search: a question in, ranked chunks out; by vector, by text, or by both fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from include.documents import Hit
from include.embedding.protocol import Embedder, FloatArray
from include.errors import ConfigurationError, QueryError
from include.filters import EVERYTHING, Scope
from include.retrieval.distinct import Distinct, keep_all
from include.retrieval.fusion import Fusion, Scored, convex_combination
from include.retrieval.rerank import KeepOrder, Reranker
from include.vectorstore.protocol import VectorStore

Mode = Literal["hybrid", "vector", "text"]
MODES: tuple[Mode, ...] = get_args(Mode)
MOST_HITS = 1_000
# The middle of a plateau. nDCG@10 on XQuAD and Cranfield with all-MiniLM-L6-v2 and this platform's
# chunks: 0.981 and 0.482 here, 0.979-0.982 and 0.481-0.483 for weights of 0.5-0.7 and depths of
# 50-200 where measured (docs/benchmarks.md); reciprocal rank fusion reaches 0.475 on Cranfield.
CANDIDATES = 100
VECTOR_WEIGHT = 0.6
DEEPER = 4


@dataclass(frozen=True, slots=True)
class Searcher:
    """Searches one index with the embedder that filled it.

    A hit's score is comparable only within one result: the cosine in mode `vector`, BM25 in mode
    `text`, the fused score in mode `hybrid` (in [0, 1] with the default fusion), or the
    reranker's. `candidates` is how many hits of each ranking are fused and offered to the reranker.
    Nothing outside `scope` is found or counted; `distinct` may leave out hits that repeat others.
    """

    embedder: Embedder
    store: VectorStore
    index: str
    candidates: int = CANDIDATES
    vector_weight: float = VECTOR_WEIGHT
    fusion: Fusion = convex_combination
    reranker: Reranker = field(default_factory=KeepOrder)
    scope: Scope = EVERYTHING
    distinct: Distinct = keep_all

    def search(self, query: str, k: int = 10, *, mode: Mode = "hybrid") -> list[Hit]:
        """The `k` best chunks, best first.

        Raises QueryError as `require_query`, ConfigurationError for k below 1 or above 1,000
        and for an unknown mode.
        """
        return self.search_all([query], k, mode=mode)[0]

    def search_all(
        self, queries: Sequence[str], k: int = 10, *, mode: Mode = "hybrid"
    ) -> list[list[Hit]]:
        """`search` for each query, in order; embeds them in one batch where the model allows."""
        for query in queries:
            _refuse(query, k, mode)
        vectors = [None for _ in queries] if mode == "text" else self._vectors(queries)
        return [
            self._best(query, vector, k, mode)
            for query, vector in zip(queries, vectors, strict=True)
        ]

    def _vectors(self, queries: Sequence[str]) -> list[FloatArray | None]:
        identity = self.embedder.identity
        if len(queries) > 1 and identity.query_prefix == identity.document_prefix:
            return list(self.embedder.embed_documents(queries))
        return [self.embedder.embed_query(query) for query in queries]

    def _best(self, query: str, vector: FloatArray | None, k: int, mode: Mode) -> list[Hit]:
        """Looks deeper while hits that repeat others leave fewer than `k`."""
        depth = max(self.candidates, k)
        while True:
            hits = self.reranker.rerank(query, self._found(query, vector, depth, mode))
            kept = self.distinct(hits)
            if len(kept) >= min(k, len(hits)) or len(hits) < depth or depth >= MOST_HITS:
                return kept[:k]
            depth = min(depth * DEEPER, MOST_HITS)

    def _found(self, query: str, vector: FloatArray | None, depth: int, mode: Mode) -> list[Hit]:
        near = [] if vector is None else self._near(vector, depth)
        if mode == "vector":
            return near
        lexical = self.store.search_text(self.index, query, depth, self.scope)
        return lexical if mode == "text" else self._fused(near, lexical)

    def _near(self, vector: FloatArray, depth: int) -> list[Hit]:
        return self.store.search_vector(self.index, vector, depth, self.scope)

    def _fused(self, near: Sequence[Hit], lexical: Sequence[Hit]) -> list[Hit]:
        fused = self.fusion(
            [_scores(near), _scores(lexical)], weights=[self.vector_weight, 1 - self.vector_weight]
        )
        by_id = {hit.chunk_id: hit for hit in (*lexical, *near)}
        return [replace(by_id[chunk_id], score=score) for chunk_id, score in fused]


def require_query(query: str) -> None:
    """Raises QueryError for a text that nothing can be searched for with."""
    if not query.strip():
        raise QueryError(f"The query should contain a word, is {query!r}.")
    try:
        query.encode()
    except UnicodeEncodeError:
        raise QueryError(
            f"The query should be Unicode, without halves of characters, is {query!r:.80}."
        ) from None


def _refuse(query: str, k: int, mode: str) -> None:
    require_query(query)
    if k < 1:
        raise ConfigurationError(f"k should be >= 1, is now {k}")
    if k > MOST_HITS:
        raise ConfigurationError(f"k should be <= {MOST_HITS}, is now {k}")
    if mode not in MODES:
        raise ConfigurationError(f"mode should be one of {', '.join(MODES)}, is {mode!r}.")


def _scores(hits: Sequence[Hit]) -> list[Scored]:
    return [(hit.chunk_id, hit.score) for hit in hits]
