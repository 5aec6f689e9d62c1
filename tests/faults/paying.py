"""An embedder that writes down every text it is paid for, and fails on demand.

The register outlives SIGKILL: a text is in it, on disk, before its vector is returned.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from include.documents import text_hash
from include.embedding.protocol import EmbedderIdentity, FloatArray
from include.errors import TransientError

Failure = Callable[[FloatArray], FloatArray]


def _refuse(_: FloatArray) -> FloatArray:
    raise TransientError("429: too many requests.")


def _hang(vectors: FloatArray) -> FloatArray:
    time.sleep(600)
    return vectors


FAILURES: dict[str, Failure] = {
    "refused": _refuse,
    "too few": lambda vectors: vectors[:-1],
    "NaN": lambda vectors: np.where(np.arange(vectors.size) == 3, np.nan, vectors.flat).reshape(
        vectors.shape
    ),
    "wrong dimension": lambda vectors: vectors[:, :-1],
    "hang": _hang,
}
"""What may come instead of the vectors, after they were paid for."""


class PayingEmbedder:
    """Unit vectors that follow from each text; equal identities, equal vectors."""

    def __init__(self, identity: EmbedderIdentity, register: Path, *, seconds: float = 0.0) -> None:
        self._identity = identity
        self._register = register
        self._seconds = seconds
        self._calls = 0
        self.fail_at = 0
        self.failure = ""

    @property
    def identity(self) -> EmbedderIdentity:
        """The one given: the cache and the index are those of the embedder it stands for."""
        return self._identity

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """The vectors, after the texts are in the register; fails at the call it was told to."""
        self._calls += 1
        time.sleep(self._seconds / 2)
        write_down(self._register, [text_hash(text) for text in texts])
        time.sleep(self._seconds / 2)
        vectors = vectors_of(texts, self._identity.dimensions)
        return FAILURES[self.failure](vectors) if self._calls == self.fail_at else vectors

    def embed_query(self, text: str) -> FloatArray:
        """The vector of the same text as a document, unpaid."""
        vector: FloatArray = vectors_of([text], self._identity.dimensions)[0]
        return vector


def write_down(register: Path, lines: Sequence[str]) -> None:
    """Appends the lines; they are on disk when this returns."""
    with register.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())


def paid(register: Path) -> Counter[str]:
    """How many times each text was paid for, by its hash."""
    return Counter(register.read_text().split() if register.exists() else ())


def vectors_of(texts: Sequence[str], dimensions: int) -> FloatArray:
    """Unit vectors, one per text."""
    rows = np.empty((len(texts), dimensions), np.float32)
    for row, text in zip(rows, texts, strict=True):
        raw = hashlib.shake_128(text.encode()).digest(2 * dimensions)
        row[:] = np.frombuffer(raw, np.uint16).astype(np.float32) - 32_767.5
    vectors: FloatArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return vectors
