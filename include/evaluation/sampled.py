"""Vectors of an index as they are stored: a repeatable sample, and the true nearest of a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from include.documents import Hit
from include.embedding.protocol import FloatArray
from include.evaluation.health import Vectors
from include.storage.lance_errors import translated
from include.storage.scans import ROW, Scan
from include.storage.vector_forms import VECTOR, Form, decoded
from include.vectorstore.protocol import VectorStore

if TYPE_CHECKING:
    from include.storage.lance import LanceDatabase

SAMPLE = 2_000
_CHUNKS = "chunks_"
_SEED = 7
_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class Sample:
    """Vectors of shape (chunks, dimensions), and the hashes of their texts in the same order.

    They were stored in this form.
    """

    vectors: Vectors
    texts: tuple[str, ...]
    form: Form = "float32"


def sample(database: LanceDatabase, index: str, count: int = SAMPLE) -> Sample:
    """At most that many chunks of an index, the same ones each time; none where there is no index."""
    scan = Scan.of(database, _CHUNKS + index)
    rows = scan.frame(["id"]).sort("id") if scan else pl.DataFrame()
    if scan is None or not rows.height:
        return Sample(np.zeros((0, 0), dtype=np.float32), ())
    places = np.random.default_rng(_SEED).permutation(rows.height)[:count]
    found = scan.take(rows[ROW].gather(places).to_list(), ["id", "text_hash", "vector"])
    keys = pl.DataFrame(pl.from_arrow(found.select(["id", "text_hash"])))
    order = keys["id"].arg_sort()
    vectors = decoded(found[VECTOR])[order.to_numpy()]
    return Sample(vectors, tuple(keys["text_hash"].gather(order)), scan.form)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest chunks of some queries: as the index finds them, and the scores of the true ones."""

    found: list[list[Hit]]
    exact: list[list[float]]


def nearest(
    database: LanceDatabase,
    store: VectorStore,
    index: str,
    vectors: Sequence[FloatArray],
    k: int = 10,
) -> Nearest:
    """Searches with each vector twice: through the vector index, and past it.

    Both look at the vectors as they are stored: what rounding loses shows in the answers.
    """
    scan = Scan.of(database, _CHUNKS + index)
    if scan is None:
        return Nearest([], [])
    if scan.form in ("int8", "binary"):
        exact = _all_compared(scan, vectors, k)
    else:
        exact = [_exact(scan, vector, k) for vector in vectors]
    return Nearest([store.search_vector(index, vector, k) for vector in vectors], exact)


def _exact(scan: Scan, vector: FloatArray, k: int) -> list[float]:
    with translated(scan.name):
        query = scan.handle.search(vector, query_type="vector", vector_column_name=VECTOR)
        query = query.distance_type("cosine").bypass_vector_index().limit(k)
        found = query.select(["id", "_distance"]).to_arrow()["_distance"].to_pylist()
    return sorted((1.0 - distance for distance in found), reverse=True)


def _all_compared(scan: Scan, vectors: Sequence[FloatArray], k: int) -> list[list[float]]:
    """The same for vectors that LanceDB cannot compare."""
    asked = np.stack(vectors) if len(vectors) else np.zeros((0, scan.dimensions), np.float32)
    best = np.full((len(asked), 0), 0, dtype=np.float32)
    for batch in scan.batches([VECTOR], _ROWS):
        scores = np.hstack([best, asked @ decoded(batch[VECTOR]).T])
        best = -np.sort(-scores, axis=1)[:, :k]
    return [[float(score) for score in row] for row in best]
