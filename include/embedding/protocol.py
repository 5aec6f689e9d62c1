"""The seam between the platform and embedding models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from include.documents import digest

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EmbedderIdentity:
    """Everything that decides a vector's value; two identities never share a table.

    `weights` is a hash of the weights (or the provider's model revision). `precision` is fp32 or
    int8: their vectors differ, so they are different models.
    """

    model: str
    weights: str
    dimensions: int
    normalised: bool = True
    precision: str = "fp32"
    query_prefix: str = ""
    document_prefix: str = ""

    @property
    def id(self) -> str:
        """A readable name with a hash of all parts: `all-minilm-l6-v2-fp32-384-1a2b3c4d`."""
        readable = re.sub(r"[^a-z0-9]+", "-", self.model.rsplit("/", 1)[-1].lower()).strip("-")
        parts = digest("embedder", *(str(part) for part in astuple(self)))
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
