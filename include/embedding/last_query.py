"""An embedder that keeps the vector of its last query: who looks twice pays once."""

from __future__ import annotations

from collections.abc import Sequence

from include.embedding.protocol import Embedder, EmbedderIdentity, FloatArray


class LastQuery:
    """Another Embedder; the query that it was just asked for is not embedded again."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._last: tuple[str, FloatArray] | None = None

    @property
    def identity(self) -> EmbedderIdentity:
        """The other's."""
        return self._embedder.identity

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """The other's vectors."""
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: str) -> FloatArray:
        """The query's vector, the other's."""
        last = self._last  # once: threads may share this embedder
        if last is None or last[0] != text:
            last = self._last = (text, self._embedder.embed_query(text))
        return last[1]
