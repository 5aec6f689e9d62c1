"""Vectors of sentences, for the chunker that looks at their meaning; none is paid for twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from include.documents import text_hash
from include.embedding.cache import EmbeddingCache
from include.embedding.protocol import Embedder, FloatArray


class EmbeddedSentences:
    """Asks an embedder, which should be one with a cache; it is made when it is first needed."""

    def __init__(self, identity: str, embedder: Callable[[], Embedder]) -> None:
        self._identity = identity
        self._embedder = embedder

    @property
    def id(self) -> str:
        """The embedder's identity."""
        return self._identity

    def __call__(self, texts: Sequence[str]) -> FloatArray | None:
        """One unit vector per sentence, in order."""
        return self._embedder().embed_documents(texts) if texts else None


class KnownSentences:
    """Looks into the cache and never asks the model: for a plan, which spends nothing."""

    def __init__(self, identity: str, cache: Callable[[], EmbeddingCache]) -> None:
        self._identity = identity
        self._cache = cache

    @property
    def id(self) -> str:
        """The embedder's identity: a plan names chunks as the run will."""
        return self._identity

    def __call__(self, texts: Sequence[str]) -> FloatArray | None:
        """One unit vector per sentence, in order; None unless the cache holds all of them."""
        hashes = [text_hash(text) for text in texts]
        found, vectors = self._cache().get(list(dict.fromkeys(hashes)))
        row = {name: at for at, name in enumerate(found)}
        if not hashes or len(row) < len(set(hashes)):
            return None
        return vectors[[row[name] for name in hashes]]
