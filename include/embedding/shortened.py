"""Vectors cut to their first dimensions, as in `local:model@256`, and the embedder that gives them.

A model trained with a Matryoshka loss (Kusupati et al., 2022) puts what matters first; any other one
loses more by the same cut. Only whole vectors are ever asked of a model and kept: another number of
dimensions costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from include.embedding.checks import checked, unit
from include.embedding.protocol import Embedder, EmbedderIdentity, FloatArray
from include.errors import ConfigurationError


def shortened(vectors: FloatArray, dimensions: int) -> FloatArray:
    """The first so many dimensions of each row, of unit length again; whole rows as they are."""
    if dimensions == vectors.shape[1]:
        return vectors
    return unit(vectors[:, :dimensions])


def split(name: str) -> tuple[str, int | None]:
    """`model@256` as the model and its dimensions; None where the name states none."""
    found = re.fullmatch(r"(.+)@(\d+)", name, re.DOTALL)
    return (found[1], int(found[2])) if found else (name, None)


def cut(full: EmbedderIdentity, dimensions: int | None) -> EmbedderIdentity:
    """The identity of the model's first so many dimensions; its own for all of them, or None.

    Raises ConfigurationError for a number that the model does not have.
    """
    if dimensions is None or dimensions == full.dimensions:
        return full
    if not 0 < dimensions < full.dimensions:
        raise ConfigurationError(
            f"RAG_EMBEDDER asks for {dimensions} dimensions of the model {full.model!r}, which has "
            f"{full.dimensions}: name a number from 1 to {full.dimensions}, or none."
        )
    return replace(full, dimensions=dimensions, full_dimensions=full.dimensions)


class ShortenedEmbedder:
    """The first dimensions of another embedder's vectors; `full` is that embedder."""

    def __init__(self, full: Embedder, dimensions: int) -> None:
        self.full = full
        self._identity = cut(full.identity, dimensions)

    @property
    def identity(self) -> EmbedderIdentity:
        """That of the embedder behind it, cut."""
        return self._identity

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors of shape (texts, dimensions), in the order of the texts."""
        vectors = shortened(self.full.embed_documents(texts), self._identity.dimensions)
        return checked(vectors, len(texts), self._identity)

    def embed_query(self, text: str) -> FloatArray:
        """The query's unit vector, of shape (dimensions,)."""
        vector: FloatArray = shortened(
            self.full.embed_query(text)[None, :], self._identity.dimensions
        )[0]
        return vector


def shorten(embedder: Embedder, dimensions: int | None) -> Embedder:
    """The embedder of so many dimensions; the one given for all of them, or None."""
    if dimensions is None or dimensions == embedder.identity.dimensions:
        return embedder
    return ShortenedEmbedder(embedder, dimensions)


def whole(embedder: Embedder) -> Embedder:
    """The embedder whose vectors were not cut: what is paid, and what is kept."""
    return embedder.full if isinstance(embedder, ShortenedEmbedder) else embedder
