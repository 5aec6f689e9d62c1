"""CPU seconds, memory and opened files of a run; embedders that are counted or take no time."""

from __future__ import annotations

import hashlib
import logging
import re
import resource
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from include.documents import text_hash
from include.embedding.protocol import Embedder, EmbedderIdentity, FloatArray


def cpu_seconds() -> float:
    """User and system time of this process, its threads and the children that have ended, so far."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def peak_megabytes() -> float:
    """The largest resident size of this process so far (Linux counts in kilobytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def yardstick() -> float:
    """CPU seconds of a fixed piece of work: on a busy machine the same work takes more of them."""
    words = [f"word{number % 5_003}" for number in range(60_000)]
    text, before = " ".join(words), cpu_seconds()
    for _ in range(4):
        counts = Counter(re.findall(r"[a-z]+\d+", text))
        sorted(counts, key=lambda word: hashlib.sha256(word.encode()).digest())
        np.sort(np.frombuffer(hashlib.shake_128(b"fixed").digest(4_000_000), np.uint32))
    return cpu_seconds() - before


class InstantEmbedder:
    """Unit vectors from one hash of each text: an embedder whose own cost is next to nothing."""

    def __init__(self, identity: EmbedderIdentity) -> None:
        self._identity = identity

    @property
    def identity(self) -> EmbedderIdentity:
        """The identity given, so that it can stand in for a real model."""
        return self._identity

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of shape (texts, dimensions), in order."""
        return instant_vectors(texts, self._identity.dimensions)

    def embed_query(self, text: str) -> FloatArray:
        """The vector that the same text has as a document."""
        vector: FloatArray = self.embed_documents([text])[0]
        return vector


def instant_vectors(texts: Sequence[str], dimensions: int) -> FloatArray:
    """One unit vector per text, from the text's hash."""
    raw = b"".join(hashlib.shake_128(text.encode()).digest(dimensions) for text in texts)
    matrix = np.frombuffer(raw, np.uint8).reshape(-1, dimensions).astype(np.float32) - 127.5
    unit: FloatArray = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit


class MeteredEmbedder:
    """Passes everything on; adds up the CPU seconds spent in it and remembers the texts' hashes."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.cpu = 0.0
        self.hashes: list[str] = []

    @property
    def identity(self) -> EmbedderIdentity:
        """That of the embedder behind it."""
        return self._embedder.identity

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """As the embedder behind it."""
        before = cpu_seconds()
        vectors = self._embedder.embed_documents(texts)
        self.hashes += map(text_hash, texts)
        self.cpu += cpu_seconds() - before
        return vectors

    def embed_query(self, text: str) -> FloatArray:
        """As the embedder behind it; not metered."""
        return self._embedder.embed_query(text)


class StageClock(logging.Handler):
    """CPU seconds by stage, read off the platform's own events: each ends what lies before it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._last = cpu_seconds()
        logger = logging.getLogger("rag")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self)

    def restart(self) -> None:
        """Forgets what was measured."""
        self.seconds.clear()
        self._last = cpu_seconds()

    def emit(self, record: logging.LogRecord) -> None:
        """Books the CPU time since the last event under this event's stage."""
        message = record.getMessage()
        if message.startswith("stage="):
            now = cpu_seconds()
            self.seconds[message.split()[0].removeprefix("stage=")] += now - self._last
            self._last = now


def count_opens(folder: str) -> list[str]:
    """A list that grows by every path below the folder that Python opens from now on."""
    opened: list[str] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(folder):
            opened.append(str(arguments[0]))

    sys.addaudithook(hook)
    return opened
