"""What storing vectors costs at least: `python -m tests.benchmarks.bench_cache [texts [dimensions]]`.

Stores the same vectors in turns: as a plain file, by LanceDB's append, by LanceDB's merge, and by
the embedding cache, which adds checksums and looks nothing up; then reads them back. Prints CPU
milliseconds for 512 texts, the median of the rounds and the least.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from include.documents import text_hash
from include.embedding.cache import EmbeddingCache, cache_rows, cache_schema, checksums
from include.embedding.protocol import EmbedderIdentity, FloatArray
from include.storage.lance import LanceDatabase
from tests.benchmarks.parts import cpu_seconds

ROUNDS, WRITE = 7, 1_111
"""Texts in a write: 200,000 tokens of 180, the batch of a task."""


def ways(
    folder: Path, hashes: list[str], vectors: FloatArray
) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is measured, in the order in which it has to happen."""
    dimensions = vectors.shape[1]
    identity = EmbedderIdentity(model="bench", weights="none", dimensions=dimensions)
    database = LanceDatabase(folder.as_uri())
    cache = EmbeddingCache(database, identity)
    cache.put(["first"], vectors[:1])
    tables = {
        name: database.table(name, cache_schema(dimensions), "text_hash")
        for name in ("append", "merge")
    }
    for table in tables.values():
        table.create()

    def each(write: Callable[[list[str], FloatArray], object]) -> Callable[[], object]:
        starts = range(0, len(hashes), WRITE)
        return lambda: [write(hashes[s : s + WRITE], vectors[s : s + WRITE]) for s in starts]

    def plain(name: str, sync: Callable[[int], object]) -> Callable[[], object]:
        def write(part: list[str], rows: FloatArray) -> None:
            with (folder / f"{name}-{part[0]}").open("wb") as file:
                file.write(rows.data)
                file.flush()
                sync(file.fileno())

        return each(write)

    moment = cache._clock()
    yield "checksums", each(lambda _, rows: checksums(rows))
    yield "a plain file", plain("file", lambda _: None)
    yield "a plain file, on disk", plain("synced", os.fsync)
    yield "append", each(lambda p, r: tables["append"].open().add(cache_rows(p, r, moment)))
    yield "merge", each(lambda p, r: tables["merge"].insert_absent(cache_rows(p, r, moment)))
    yield "put", each(cache.put)
    yield "missing", each(lambda part, _: cache.missing(part))
    yield "get", each(lambda part, _: cache.get(part))


def main(texts: str = "4444", dimensions: str = "1536") -> None:
    """Prints one JSON object."""
    shape = int(texts), int(dimensions)
    vectors = np.random.default_rng(0).standard_normal(shape, np.float32)
    hashes = [text_hash(str(number)) for number in range(shape[0])]
    spent: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            for name, act in ways(Path(folder), hashes, vectors):
                began = cpu_seconds()
                act()
                spent.setdefault(name, []).append(cpu_seconds() - began)
    print(
        json.dumps(
            {
                name: [round(of(each) * 512_000 / shape[0], 1) for of in (statistics.median, min)]
                for name, each in spent.items()
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
