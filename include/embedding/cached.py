"""An embedder behind the embedding cache: it embeds what nobody has embedded before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from include.documents import text_hash
from include.embedding.cache import EmbeddingCache
from include.embedding.protocol import Embedder, EmbedderIdentity, FloatArray, in_parts
from include.embedding.shortened import shortened, whole
from include.errors import ModelError


@dataclass(frozen=True, slots=True)
class EmbeddingUsage:
    """Distinct texts since the start: sent to the model, and found in the cache."""

    embedded: int = 0
    reused: int = 0


class CachedEmbedder:
    """An Embedder that asks another one only for texts that the cache does not hold."""

    def __init__(
        self,
        embedder: Embedder,
        cache: EmbeddingCache,
        *,
        batch_texts: int = 256,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        self._embedder = embedder
        self._model = whole(embedder)
        self._cache = cache
        self._batch_texts = batch_texts
        self._on_progress = on_progress
        self.usage = EmbeddingUsage()

    @property
    def identity(self) -> EmbedderIdentity:
        """That of the embedder behind it."""
        return self._embedder.identity

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of shape (len(texts), dimensions), in the order of the texts.

        Every batch is in the cache before the next is embedded: a crash pays for one batch again.
        What was paid of a batch before an error or a budget ended it is in the cache, too.
        `on_progress` hears how many distinct texts were done since it was last called. Raises
        ModelError when the model's answer has another shape or is not finite; nothing of that
        batch is stored then.
        """
        hashes = [text_hash(text) for text in texts]
        distinct = dict(zip(hashes, texts, strict=True))
        found, vectors = self._cache.get(list(distinct))
        parts, names = [vectors], list(found)
        for batch, embedded in self._embedded(distinct, set(found)):
            parts.append(embedded)
            names += batch
        row = {name: at for at, name in enumerate(names)}
        return np.concatenate(parts)[[row[name] for name in hashes]]

    def fill(self, texts: Sequence[str]) -> None:
        """Leaves a vector of every text in the cache: `embed_documents` without giving them back.

        It looks only at which texts have a vector; whoever reads a damaged one finds it absent.
        """
        distinct = {text_hash(text): text for text in texts}
        for _ in self._embedded(distinct, distinct.keys() - self._cache.missing(list(distinct))):
            pass

    def embed_query(self, text: str) -> FloatArray:
        """The query's vector, of shape (dimensions,); queries are not cached."""
        return self._embedder.embed_query(text)

    def _embedded(
        self, texts: dict[str, str], known: set[str]
    ) -> Iterator[tuple[list[str], FloatArray]]:
        """Embeds the texts that are not known; gives each batch when it is in the cache."""
        self._count(reused=len(known))
        for batch in self._batches(texts, known):
            vectors = self._embed(batch, [texts[name] for name in batch])
            self._count(embedded=len(batch))
            yield batch, vectors

    def _batches(self, texts: dict[str, str], known: set[str]) -> Iterator[list[str]]:
        # Texts of equal length together: padding is what makes mixed batches slow.
        absent = sorted(texts.keys() - known, key=lambda name: (-len(texts[name]), name))
        for at in range(0, len(absent), self._batch_texts):
            yield absent[at : at + self._batch_texts]

    def _embed(self, hashes: list[str], texts: list[str]) -> FloatArray:
        parts: list[FloatArray] = []
        try:
            for part in in_parts(self._model, texts):
                parts.append(np.asarray(part))  # noqa: PERF401 - those before an error have to be there
        except BaseException:
            if parts:  # paid for: nobody is to pay it again
                self._store(hashes[: sum(map(len, parts))], parts)
            raise
        vectors = self._store(hashes, parts)
        return shortened(vectors.astype(np.float32, copy=False), self.identity.dimensions)

    def _store(self, hashes: list[str], parts: Sequence[FloatArray]) -> FloatArray:
        """One vector per hash, in the cache."""
        vectors = parts[0] if len(parts) == 1 else np.concatenate(parts)
        expected = (len(hashes), self._model.identity.dimensions)
        if vectors.shape != expected or not np.isfinite(vectors).all():
            raise ModelError(
                f"Embedder {self._model.identity.id} should return finite vectors of shape {expected}, "
                f"returned {_described(vectors)}. Nothing of this batch was stored."
            )
        self._cache.put(hashes, vectors)
        return vectors

    def _count(self, *, embedded: int = 0, reused: int = 0) -> None:
        usage = self.usage
        self.usage = EmbeddingUsage(usage.embedded + embedded, usage.reused + reused)
        if self._on_progress is not None and embedded + reused:
            self._on_progress(embedded + reused)


def _described(vectors: FloatArray) -> str:
    broken = int((~np.isfinite(vectors)).sum())
    return f"shape {vectors.shape} with {broken} values that are NaN or infinite"
