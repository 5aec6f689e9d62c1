"""Vectors of queries, cached apart from those of documents: they go when the log forgets a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from include.embedding.protocol import Embedder, EmbedderIdentity, FloatArray

TABLES = "query_embeddings_"
"""What the names of their tables begin with."""


@dataclass(frozen=True, slots=True)
class QueryEmbedder:
    """An Embedder for which every text is a query, so that a cache can stand before it."""

    embedder: Embedder

    @property
    def identity(self) -> EmbedderIdentity:
        """That of the model with the query's prefix for everything."""
        held = self.embedder.identity
        return replace(held, document_prefix=held.query_prefix)

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """The queries' vectors, of shape (len(texts), dimensions), in their order."""
        if self.identity == self.embedder.identity:
            return self.embedder.embed_documents(texts)
        return np.stack([self.embedder.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> FloatArray:
        """The query's vector, of shape (dimensions,)."""
        return self.embedder.embed_query(text)
