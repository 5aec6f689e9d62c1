"""An embedder and a tokenizer without a model: exact, instant, and good enough to rank by words.

They ship with the platform so that everything above the seam can be tried without weights.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from include.embedding.checks import checked, refuse_empty
from include.embedding.protocol import EmbedderIdentity, FloatArray
from include.errors import TransientError


class FakeTokenizer:
    """Every run of characters other than white space is one token."""

    def __init__(self, limit: int = 254) -> None:
        self._limit = limit

    @property
    def id(self) -> str:
        """Names the rule; there is no vocabulary."""
        return "whitespace-words"

    @property
    def limit(self) -> int:
        """The most words a text may have."""
        return self._limit

    def starts(self, text: str) -> list[int]:
        """The offset at which each word starts, ascending."""
        return [match.start() for match in re.finditer(r"\S+", text)]

    def count(self, text: str) -> int:
        """The number of words."""
        return len(text.split())


class FakeEmbedder:
    """Unit vectors from hashed bags of words: texts sharing words are close.

    `embedded` and `queries` list what was asked for, in order. With `fail_after=n` the call that
    would bring `embedded` above `n` texts raises `failure` and embeds nothing; set `fail_after`
    to None to recover.
    """

    def __init__(
        self,
        dimensions: int = 32,
        *,
        fail_after: int | None = None,
        failure: Exception | None = None,
        weights: str = "words-1",
    ) -> None:
        self._identity = EmbedderIdentity(model="fake", weights=weights, dimensions=dimensions)
        self.fail_after = fail_after
        self.failure = failure or TransientError("The fake embedder was told to fail.")
        self.embedded: list[str] = []
        self.queries: list[str] = []

    @property
    def identity(self) -> EmbedderIdentity:
        """The model is called `fake`; `weights` tells two fakes apart."""
        return self._identity

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """One unit vector per text; equal texts have equal vectors. Raises as a real model does."""
        refuse_empty(texts)
        if self.fail_after is not None and len(self.embedded) + len(texts) > self.fail_after:
            raise self.failure
        self.embedded.extend(texts)
        return self._vectors(texts)

    def embed_query(self, text: str) -> FloatArray:
        """The vector that the same text has as a document; never fails on purpose."""
        refuse_empty([text])
        self.queries.append(text)
        vector: FloatArray = self._vectors([text])[0]
        return vector

    def _vectors(self, texts: Sequence[str]) -> FloatArray:
        rows = np.empty((len(texts), self._identity.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = self._bag(text)
        return checked(rows, len(texts), self._identity)

    def _bag(self, text: str) -> FloatArray:
        words = re.findall(r"\w+", text.lower()) or [text]
        total = np.sum([self._word(word) for word in words], axis=0)
        return np.asarray(total / np.linalg.norm(total), dtype=np.float32)

    def _word(self, word: str) -> FloatArray:
        salted = f"{self._identity.weights}\0{word}".encode("utf-8", "surrogatepass")
        raw = hashlib.shake_256(salted).digest(self._identity.dimensions)
        # Half-integers cannot add up to the zero vector in practice, and never do for one word.
        return np.frombuffer(raw, dtype=np.uint8).astype(np.float32) - np.float32(127.5)
