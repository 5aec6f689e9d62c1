"""The content-addressed embedding cache: a text is paid for once per model, wherever it occurs.

One LanceDB table per embedder identity, keyed by the text's hash. Rows are written batch by batch
and never change, so nothing that fails afterwards can lose what was paid for. A model cut to fewer
dimensions has no table of its own: its vectors are made of the model's whole ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.documents import text_hash
from include.embedding.protocol import Embedder, EmbedderIdentity, FloatArray, in_parts
from include.embedding.shortened import shortened, whole
from include.errors import ModelError
from include.storage.keyed import KeyedTable
from include.storage.lance import LanceDatabase


def cache_schema(dimensions: int) -> pa.Schema:
    """The row of a cache: `checksum` is the CRC-32 of the vector's little-endian bytes."""
    return pa.schema(
        [
            pa.field("text_hash", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False),
            pa.field("checksum", pa.uint32(), nullable=False),
            pa.field("created_at", pa.timestamp("us", tz="UTC"), nullable=False),
        ]
    )


def cache_rows(hashes: Sequence[str], vectors: FloatArray, created_at: datetime) -> pa.Table:
    """Rows of `cache_schema`: one for each hash, `vectors` of shape (len(hashes), dimensions)."""
    matrix = np.ascontiguousarray(vectors, dtype="<f4")
    dimensions = matrix.shape[1]
    columns = [
        pa.array(hashes, pa.string()),
        pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), dimensions),
        pa.array(checksums(matrix)),
        pa.repeat(pa.scalar(created_at, pa.timestamp("us", tz="UTC")), len(hashes)),
    ]
    return pa.table(columns, schema=cache_schema(dimensions))


def _now() -> datetime:
    return datetime.now(UTC)


class EmbeddingCache:
    """The vectors of one embedder by text hash; several processes may read and write at once.

    `tables` is what the name of its table begins with.
    """

    def __init__(
        self,
        database: LanceDatabase,
        identity: EmbedderIdentity,
        *,
        tables: str = "embeddings_",
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.identity = identity
        self._table = _table(database, tables, identity.full)
        # An API that shortens vectors itself was once asked for short ones: they were paid for.
        self._tables = [self._table]
        if identity.full_dimensions:
            self._tables.append(_table(database, tables, identity))
        self._clock = clock

    @property
    def source(self) -> str:
        """The identity of the model whose whole vectors these are cut from; "" for whole ones."""
        return self.identity.full.id if self.identity.full_dimensions else ""

    def count(self) -> int:
        """How many vectors there are."""
        return sum(table.count() for table in self._tables)

    def missing(self, hashes: Sequence[str]) -> list[str]:
        """The hashes without a vector, each once, in the order given."""
        absent = list(dict.fromkeys(hashes))
        for table in self._tables:
            known = set(table.lookup(absent, ["text_hash"])["text_hash"])
            absent = [name for name in absent if name not in known]
        return absent

    def get(self, hashes: Sequence[str]) -> tuple[list[str], FloatArray]:
        """The hashes that have a vector, in no particular order, and their vectors, row by row.

        A vector that does not fit its checksum is deleted and counts as absent.
        """
        names: list[str] = []
        parts: list[FloatArray] = []
        for table in self._tables:
            known = set(names)
            found, vectors = _sound(table, [name for name in hashes if name not in known])
            names += found
            parts.append(shortened(vectors, self.identity.dimensions))
        return names, parts[0] if len(parts) == 1 else np.concatenate(parts)

    def put(self, hashes: Sequence[str], vectors: FloatArray) -> None:
        """Stores one vector per hash in one commit; a hash that has one already keeps it.

        `vectors` are whole: of shape (len(hashes), dimensions of the model).
        """
        if not hashes:
            return
        self._table.insert_absent(cache_rows(hashes, vectors, self._clock()))

    def optimize(self, older_than: timedelta) -> None:
        """Compacts the small files that batches leave and prunes versions older than that."""
        for table in self._tables:
            table.optimize(older_than)


def _table(database: LanceDatabase, tables: str, identity: EmbedderIdentity) -> KeyedTable:
    schema = cache_schema(identity.dimensions)
    return database.table(f"{tables}{identity.id}", schema, "text_hash")


def _sound(table: KeyedTable, hashes: Sequence[str]) -> tuple[list[str], FloatArray]:
    """What the table has of these, without vectors that do not fit their checksum: those go."""
    found = table.lookup(hashes, ["text_hash", "vector", "checksum"])
    dimensions = table.schema.field("vector").type.list_size
    vectors = found["vector"].to_numpy().astype(np.float32, copy=False)
    vectors = vectors.reshape(len(found), dimensions)
    sound = checksums(vectors) == found["checksum"].to_numpy()
    if sound.all():
        return found["text_hash"].to_list(), vectors
    table.delete(found.filter(~sound)["text_hash"].to_list())
    return found.filter(sound)["text_hash"].to_list(), vectors[sound]


def checksums(vectors: FloatArray) -> NDArray[np.uint32]:
    """The CRC-32 of each row."""
    return np.fromiter((zlib.crc32(row.data) for row in vectors), np.uint32, len(vectors))


def _described(vectors: FloatArray) -> str:
    broken = int((~np.isfinite(vectors)).sum())
    return f"shape {vectors.shape} with {broken} values that are NaN or infinite"


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
