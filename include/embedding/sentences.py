"""Vectors of sentences, for the chunker that looks at their meaning; none is paid for twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from include.documents import text_hash
from include.embedding.cache import EmbeddingCache
from include.embedding.protocol import Embedder, FloatArray
from include.errors import CommitConflictError

CALLS_BETWEEN_COMPACTIONS = 100
"""Each call may leave a small file in the cache: 20 sentences are looked up in 0.01 s among a few
files, in 0.25 s among 1,400."""


class EmbeddedSentences:
    """Asks an embedder, which should be one with a cache; it is made when it is first needed.

    `compact` is called now and then, because every document makes a write of its own.
    """

    def __init__(
        self, identity: str, embedder: Callable[[], Embedder], compact: Callable[[], None]
    ) -> None:
        self._identity = identity
        self._embedder = embedder
        self._compact = compact
        self._calls = 0

    @property
    def id(self) -> str:
        """The embedder's identity."""
        return self._identity

    def __call__(self, texts: Sequence[str]) -> FloatArray | None:
        """One unit vector per sentence, in order."""
        if not texts:
            return None
        self._calls += 1
        if self._calls % CALLS_BETWEEN_COMPACTIONS == 0:
            with suppress(CommitConflictError):  # Another writer is busy: the next time will do.
                self._compact()
        return self._embedder().embed_documents(texts)


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
