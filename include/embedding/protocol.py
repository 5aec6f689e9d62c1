"""The seam between the platform and embedding models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from include.documents import digest

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EmbedderIdentity:
    """Everything that decides a vector's value; two identities never share a table.

    `weights` is a hash of the weights (or the provider's model revision). `precision` is fp32 or
    int8: their vectors differ, so they are different models. With `full_dimensions` the vectors are
    the first `dimensions` of the model's own, of unit length again; 0 says that they are whole.
    """

    model: str
    weights: str
    dimensions: int
    normalised: bool = True
    precision: str = "fp32"
    query_prefix: str = ""
    document_prefix: str = ""
    full_dimensions: int = 0

    @property
    def full(self) -> EmbedderIdentity:
        """The model whose vectors these are cut from; itself, when they are whole."""
        if not self.full_dimensions:
            return self
        return replace(self, dimensions=self.full_dimensions, full_dimensions=0)

    @property
    def id(self) -> str:
        """A readable name with a hash of all parts: `all-minilm-l6-v2-fp32-384-1a2b3c4d`."""
        readable = re.sub(r"[^a-z0-9]+", "-", self.model.rsplit("/", 1)[-1].lower()).strip("-")
        # Dimensions tell already whether a vector was cut: the last part names nothing new.
        parts = digest("embedder", *(str(part) for part in astuple(self)[:-1]))
        return f"{readable[:40]}-{self.precision}-{self.dimensions}-{parts[:8]}"


class Embedder(Protocol):
    """Turns texts into vectors. Documents and queries may be prefixed differently."""

    @property
    def identity(self) -> EmbedderIdentity:
        """What the vectors are; known without loading the model."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of shape (len(texts), dimensions), in the order of the texts.

        Raises ModelError when the model's answer has another shape or is not finite.
        """
        ...

    def embed_query(self, text: str) -> FloatArray:
        """The query's vector, of shape (dimensions,)."""
        ...


@runtime_checkable
class EmbedsInParts(Protocol):
    """What an embedder can do besides whose parts are paid for one by one."""

    def embed_parts(self, texts: Sequence[str]) -> Iterator[FloatArray]:
        """The rows of `embed_documents` in order, each part as soon as it is there."""
        ...


def in_parts(embedder: Embedder, texts: Sequence[str]) -> Iterator[FloatArray]:
    """The vectors of the texts in order, in as many parts as the embedder makes them."""
    if isinstance(embedder, EmbedsInParts):
        yield from embedder.embed_parts(texts)
    else:
        yield embedder.embed_documents(texts)
