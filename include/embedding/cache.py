"""The content-addressed embedding cache: a text is paid for once per model, wherever it occurs.

One LanceDB table per embedder identity, keyed by the text's hash. Rows are appended batch by batch
and never change, so nothing that fails afterwards can lose what was paid for. A model cut to fewer
dimensions has no table of its own: its vectors are made of the model's whole ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.embedding.protocol import EmbedderIdentity, FloatArray
from include.embedding.shortened import shortened
from include.storage.keyed import KeyedTable
from include.storage.lance import LanceDatabase
from include.storage.vector_forms import decoded


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
        """How many vectors there are; the few that two writers stored at once count twice."""
        return sum(table.count() for table in self._tables)

    def missing(self, hashes: Sequence[str]) -> list[str]:
        """The hashes without a vector, each once, in the order given."""
        absent = list(dict.fromkeys(hashes))
        for table in self._tables:
            known = table.present(absent)
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
        """Stores the vectors of hashes that have none, in one commit.

        `vectors` are whole: of shape (len(hashes), dimensions of the model). Who stores a text at
        the same time as another stores it beside it, until the table is compacted.
        """
        if hashes:
            self._table.append(cache_rows(hashes, vectors, self._clock()))

    def optimize(self, older_than: timedelta) -> None:
        """Compacts the small files that batches leave and prunes versions older than that."""
        for table in self._tables:
            table.optimize(older_than)


def _table(database: LanceDatabase, tables: str, identity: EmbedderIdentity) -> KeyedTable:
    schema = cache_schema(identity.dimensions)
    return database.table(f"{tables}{identity.id}", schema, "text_hash")


def _sound(table: KeyedTable, hashes: Sequence[str]) -> tuple[list[str], FloatArray]:
    """What the table has of these, without vectors that do not fit their checksum: those go."""
    found = table.taken(hashes, ["text_hash", "vector", "checksum"])
    names, vectors = found["text_hash"].to_pylist(), decoded(found["vector"])
    sound = checksums(vectors) == found["checksum"].to_numpy()
    if sound.all():
        return names, vectors
    table.delete([name for name, is_sound in zip(names, sound, strict=True) if not is_sound])
    return [name for name, is_sound in zip(names, sound, strict=True) if is_sound], vectors[sound]


def checksums(vectors: FloatArray) -> NDArray[np.uint32]:
    """The CRC-32 of each row."""
    return np.fromiter((zlib.crc32(row.data) for row in vectors), np.uint32, len(vectors))
