"""One look at every row of an index: its vector, its text, its span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from include.documents import text_hash
from include.embedding.cache import checksums
from include.embedding.protocol import FloatArray
from include.storage.lance import LanceDatabase
from include.storage.scans import ROW, Scan, owned
from include.storage.vector_forms import SIGNS, VECTOR, decoded, raw, signs
from include.verification.premises import CHUNKS, Held, embedder_of
from include.verification.spans import Texts
from include.verification.vectors import soundness

_ROWS = 8_192
_KEPT = ("id", "document_id", "version", "text_hash", ROW)
_READ = ("id", "document_id", "version", "text_hash", "text", "start", "end")
KEYS = pl.Schema(
    {
        **dict.fromkeys(("id", "document_id", "version", "text_hash"), pl.String()),
        ROW: pl.UInt64(),
        "crc": pl.UInt32(),
        **dict.fromkeys(("sound", "genuine", "fitting"), pl.Boolean()),
    }
)
"""What is kept of a row: `sound` is its vector, `genuine` its text, `fitting` its span."""


@dataclass(frozen=True, slots=True)
class Examined:
    """An index after one look at all of it: a KEYS row for each of its rows.

    `cache` is the embedder whose cache has its vectors.
    """

    index: str
    dimensions: int
    keys: pl.DataFrame
    scan: Scan
    cache: str

    @property
    def exact(self) -> bool:
        """Whether its vectors are those of its cache, and not cut or rounded."""
        return self.scan.form == "float32" and self.cache == embedder_of(self.index)

    @property
    def trusted(self) -> pl.DataFrame:
        """The rows whose vector is sound and whose text is the one that its hash names."""
        return self.keys.filter(pl.col("sound") & pl.col("genuine"))

    def vectors(self, rows: Sequence[int]) -> tuple[pl.DataFrame, FloatArray]:
        """`id` and the vectors of these rows, in the same order as each other."""
        found = self.scan.take(rows, ["id", "vector"])
        ids = cast(pl.DataFrame, pl.from_arrow(found.select(["id"])))
        return ids, decoded(found[VECTOR])


def examine(database: LanceDatabase, index: str, held: Held, texts: Texts) -> Examined | None:
    """Reads a whole index once; None when it is gone meanwhile.

    Memory holds one batch of rows, their documents' texts, and a short row for each chunk.
    """
    scan = Scan.of(database, CHUNKS + index)
    if scan is None:
        return None
    documents = held.manifest.select("document_id", "known_version", "document_text", "size")
    parts = [pl.DataFrame(schema=KEYS)]
    columns = [VECTOR, SIGNS] if scan.form == "int8" else [VECTOR]
    for batch in scan.batches((*_READ, *columns), _ROWS):
        vectors = decoded(batch[VECTOR])
        rows = owned(batch, (*_READ, ROW))
        parts.append(
            rows.select(
                *_KEPT,
                crc=pl.Series(checksums(vectors)),
                sound=pl.Series(soundness(vectors) & _signed(batch)),
                genuine=pl.Series(_genuine(rows), dtype=pl.Boolean),
                fitting=_fitting(rows, documents, texts),
            )
        )
    return Examined(index, scan.dimensions, pl.concat(parts), scan, held.cache_of(index))


def _signed(batch: pa.RecordBatch) -> NDArray[np.bool_]:
    """For each row, whether the signs that are searched are those of its vector."""
    if SIGNS not in batch.schema.names:
        return np.ones(batch.num_rows, dtype=bool)
    return np.asarray((signs(raw(batch[VECTOR])) == raw(batch[SIGNS])).all(axis=1))


def _genuine(rows: pl.DataFrame) -> list[bool]:
    pairs = zip(rows["text"], rows["text_hash"], strict=True)
    return [text_hash(text) == name for text, name in pairs]


def _fitting(rows: pl.DataFrame, documents: pl.DataFrame, texts: Texts) -> pl.Series:
    """False for rows that do not slice from the text of their document in this very version."""
    known = rows.with_row_index("row").join(documents, on="document_id")
    same = known.filter(pl.col("version") == pl.col("known_version"))
    misfits = same.filter(~texts.fitting(same))["row"]
    return (~pl.int_range(rows.height, eager=True).is_in(misfits.implode())).alias("fitting")
