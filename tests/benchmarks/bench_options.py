"""Every form of stored vectors at a size where exact search has ended: bytes, recall, milliseconds.

    python -m tests.benchmarks.bench_options [--chunks 200000] [--dimensions 384]

Synthetic vectors: 2,000 clusters, questions from the same clusters. Bytes are of the whole table with
its vector index, beside a row of ids; the text indexes are empty.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from include.evaluation.exact import TrueNearest
from include.evaluation.tried import chunk_rows
from include.storage.lance import LanceDatabase
from include.storage.vector_forms import FORMS, encoded
from include.vectorstore import lance_indexes
from include.vectorstore.lance import LanceVectorStore

_CLUSTERS, _QUERIES, _AT_ONCE = 2_000, 200, 50_000


def main() -> None:
    """Prints one line a form."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chunks", type=int, default=200_000)
    parser.add_argument("--dimensions", type=int, default=384)
    chosen = parser.parse_args()
    draw = np.random.default_rng(7)
    centres = draw.standard_normal((_CLUSTERS, chosen.dimensions)).astype(np.float32)
    vectors = _near(centres, chosen.chunks, draw)
    asked = _near(centres, _QUERIES, draw)
    ids = [f"{at:08x}" for at in range(chosen.chunks)]
    exact = TrueNearest(asked)
    for at in range(0, chosen.chunks, _AT_ONCE):
        exact.add(ids[at : at + _AT_ONCE], vectors[at : at + _AT_ONCE])
    print(
        "| form | vectors, bytes a chunk | vector index, bytes a chunk | build s | recall@10 | p50 ms | p95 ms |"
    )
    for form in FORMS:
        with tempfile.TemporaryDirectory() as folder:
            print(_line(form, Path(folder), (ids, vectors, asked), exact), flush=True)


def _near(centres: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    chosen = centres[draw.integers(len(centres), size=count)]
    found = chosen + draw.standard_normal(chosen.shape, dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def _line(
    form: str, folder: Path, given: tuple[list[str], np.ndarray, np.ndarray], exact: TrueNearest
) -> str:
    ids, vectors, asked = given
    database = LanceDatabase(folder.as_uri())
    store = LanceVectorStore(database)
    store.create("one", vectors.shape[1], form)
    for at in range(0, len(ids), _AT_ONCE):
        names = ids[at : at + _AT_ONCE]
        rows = pl.DataFrame({"id": names, "uri": names})
        store.publish("one", chunk_rows(rows, vectors[at : at + _AT_ONCE]), [])
    began = time.perf_counter()
    lance_indexes.ensure_vector_index(database.open("chunks_one"))
    built = time.perf_counter() - began
    index = sum(
        f.stat().st_size for f in (folder / "chunks_one.lance/_indices").rglob("*") if f.is_file()
    )
    stored = sum(column.flatten().nbytes for column in encoded(vectors[:1], form).values())
    store.search_vector("one", asked[0], 10)
    found, seconds = [], []
    for vector in asked:
        before = time.perf_counter()
        hits = store.search_vector("one", vector, 10)
        seconds.append(time.perf_counter() - before)
        found.append([hit.chunk_id for hit in hits])
    p50, p95 = np.percentile(seconds, [50, 95]) * 1_000
    return (
        f"| {form} | {stored} | {index / len(ids):.0f} | {built:.1f} | {exact.recall(found):.3f} "
        f"| {p50:.1f} | {p95:.1f} |"
    )


if __name__ == "__main__":
    main()
