"""A trial of every option: an index of each, made of cached vectors and thrown away again.

No chunk is embedded. Memory holds one batch of chunks; the disk, for a while, the vectors of every
option. Texts are searched in the index that there is, for they are the same in every option.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from include.documents import Hit
from include.embedding.cache import EmbeddingCache
from include.embedding.protocol import Embedder, EmbedderIdentity, FloatArray
from include.embedding.shortened import cut, shortened
from include.errors import ConfigurationError
from include.evaluation.comparing import compare
from include.evaluation.options import Measured, Option
from include.evaluation.questions import Question
from include.evaluation.run import Evaluation, evaluate
from include.evaluation.timing import Latency, percentiles
from include.filters import EVERYTHING, Scope
from include.retrieval.search import Mode, Searcher
from include.storage.lance import LanceDatabase
from include.storage.scans import Scan
from include.storage.vector_forms import encoded, fields
from include.vectorstore.lance import LanceVectorStore
from include.vectorstore.protocol import VectorStore, chunk_schema

_ROWS = 8_192
_WEIGHED = "weighed"
_SEARCHES = 200
_K = 10
# So many more are kept of the true nearest: what is as near as the last one is as good.
_TIES = 16
_SAME_SCORE = 1e-5


@dataclass(frozen=True, slots=True)
class Trial:
    """The index whose chunks are used, its store, the cache of whole vectors, and their embedder.

    `model` names it as RAG_EMBEDDER does, uncut; `now` is the option that the index has.
    """

    index: str
    store: VectorStore
    database: LanceDatabase
    cache: EmbeddingCache
    embedder: Embedder
    model: str
    now: Option

    def run(
        self, options: Sequence[Option], questions: Sequence[Question], mode: Mode
    ) -> list[Measured]:
        """Measures each option; the first one is what the others are held against."""
        asked = _Asked.all(self.embedder, [each.question for each in questions])
        with tempfile.TemporaryDirectory(prefix="options-") as folder:
            place = LanceDatabase(Path(folder).as_uri())
            made = _Made(Path(folder), _Texts(place, self.store, self.index), options)
            exact = self._fill(made, asked.vectors[:_SEARCHES])
            found: list[tuple[Option, Evaluation, float, Latency]] = []
            for option in options:
                made.store.optimize(option.name)
                searcher = Searcher(asked.of(option.dimensions), made.store, option.name)
                scored = evaluate(questions, searcher, mode=mode)
                recall, latency = _searched(made.store, option, asked.vectors[:_SEARCHES], exact)
                found.append((option, scored, recall, latency))
            return [self._measured(made, each, found[0][1]) for each in found]

    def _fill(self, made: _Made, asked: FloatArray) -> _Nearest:
        """Writes every option's index in one pass over the chunks; the true nearest of each query."""
        scan = Scan.of(self.database, f"chunks_{self.index}")
        nearest = _Nearest(asked)
        for batch in scan.batches(["id", "uri", "text_hash"], _ROWS) if scan else ():
            rows = pl.DataFrame(pl.from_arrow(batch))
            vectors = self._vectors(rows["text_hash"].to_list())
            nearest.add(rows["id"].to_list(), vectors)
            made.add(rows, vectors)
        return nearest

    def _vectors(self, hashes: Sequence[str]) -> FloatArray:
        found, vectors = self.cache.get(list(dict.fromkeys(hashes)))
        place = dict(zip(found, range(len(found)), strict=True))
        if lacking := set(hashes) - place.keys():
            raise ConfigurationError(
                f"{len(lacking)} texts of the index {self.index!r} have no whole vector in the cache "
                f"of {self.cache.identity.id}: `verify` tells why. Options are measured without "
                f"embedding anything."
            )
        return vectors[[place[name] for name in hashes]]

    def _measured(
        self,
        made: _Made,
        found: tuple[Option, Evaluation, float, Latency],
        whole: Evaluation,
    ) -> Measured:
        option, scored, recall, latency = found
        differences = compare(scored, whole).metrics
        return Measured(
            option=option,
            target=option.target(self.model, self.embedder.identity.dimensions),
            now=option == self.now,
            chunks=made.store.count(option.name),
            bytes=made.bytes(option),
            index_recall=recall,
            latency=latency,
            ndcg=scored.metrics["ndcg@10"],
            recall=scored.metrics["recall@10"],
            ndcg_difference=differences["ndcg@10"],
            recall_difference=differences["recall@10"],
        )


class _Texts(LanceVectorStore):
    """A store for options, whose texts lie in another one; each question is asked there once."""

    def __init__(self, database: LanceDatabase, texts: VectorStore, index: str) -> None:
        super().__init__(database)
        self._texts = texts
        self._other = index
        self._known: dict[tuple[str, int], list[Hit]] = {}

    def search_text(self, index: str, query: str, k: int, scope: Scope = EVERYTHING) -> list[Hit]:  # noqa: ARG002
        """The hits of the other store; without a scope, as evaluations ask."""
        if (query, k) not in self._known:
            self._known[query, k] = self._texts.search_text(self._other, query, k)
        return self._known[query, k]


@dataclass(frozen=True, slots=True)
class _Made:
    """An index of each option, and beside it a table of nothing but its vectors, to be weighed."""

    folder: Path
    store: _Texts
    options: Sequence[Option]

    def __post_init__(self) -> None:
        for option in self.options:
            self.store.create(option.name, option.dimensions, option.form)

    def add(self, rows: pl.DataFrame, vectors: FloatArray) -> None:
        """Appends chunks, and their whole vectors, to each option."""
        for option in self.options:
            own = shortened(vectors, option.dimensions)
            self.store.publish(option.name, _chunks(rows, own), [])
            _weigh(self.folder, option, own)

    def bytes(self, option: Option) -> int:
        """What the option's vectors take on disk, and their search index if it has grown one."""
        handle = LanceDatabase(self.folder.as_uri()).open(f"chunks_{option.name}")
        indexes = handle.list_indices() if handle is not None else []
        places = [self.folder / _WEIGHED / f"{option.name}.lance" / "data"]
        if any(each.index_type != "FTS" for each in indexes):
            places.append(self.folder / f"chunks_{option.name}.lance" / "_indices")
        files = (file for place in places for file in place.rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files)


def _weigh(folder: Path, option: Option, vectors: FloatArray) -> None:
    """Appends the vectors to a table that has no other column."""
    import lancedb

    schema = pa.schema(fields(option.form, option.dimensions))
    scales = lancedb.connect(folder / _WEIGHED)
    table = scales.create_table(option.name, schema=schema, exist_ok=True)
    table.add(pa.table(encoded(vectors, option.form), schema=schema))


class _Nearest:
    """The true nearest chunks of each query, by whole vectors, as chunks pass by."""

    def __init__(self, asked: FloatArray) -> None:
        self._asked = asked
        self._scores: NDArray[np.float32] = np.zeros((len(asked), 0), np.float32)
        self._ids: NDArray[np.object_] = np.zeros((len(asked), 0), object)

    def add(self, ids: Sequence[str], vectors: FloatArray) -> None:
        """Takes more chunks in."""
        scores = np.hstack([self._scores, self._asked @ vectors.T])
        names = np.broadcast_to(np.array(ids, object), (len(self._asked), len(ids)))
        order = np.argsort(-scores, axis=1, kind="stable")[:, : _K + _TIES]
        self._scores = np.take_along_axis(scores, order, axis=1)
        self._ids = np.take_along_axis(np.hstack([self._ids, names]), order, axis=1)

    def recall(self, found: Sequence[Sequence[str]]) -> float:
        """The share of the ten nearest that was found; what is as near as the last counts, too."""
        shares = []
        for scores, ids, names in zip(self._scores, self._ids, found, strict=True):
            wanted = min(_K, len(ids))
            near = set(ids[scores >= scores[wanted - 1] - _SAME_SCORE]) if wanted else set()
            shares.append(min(1.0, len(near & set(names)) / wanted) if wanted else 1.0)
        return sum(shares) / len(shares) if shares else 1.0


def _searched(
    store: VectorStore,
    option: Option,
    asked: FloatArray,
    exact: _Nearest,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, Latency]:
    """Recall and latency of vector searches alone; the first one warms up."""
    seconds, found = [], []
    vectors = shortened(asked, option.dimensions)
    for vector in vectors[:1]:
        store.search_vector(option.name, vector, _K)
    for vector in vectors:
        before = clock()
        hits = store.search_vector(option.name, vector, _K)
        seconds.append(clock() - before)
        found.append([hit.chunk_id for hit in hits])
    return exact.recall(found), percentiles(seconds)


@dataclass(frozen=True, slots=True)
class _Asked:
    """An embedder that knows the vectors of the questions, and nothing else."""

    identity: EmbedderIdentity
    vectors: FloatArray
    places: dict[str, int] = field(repr=False)

    @classmethod
    def all(cls, embedder: Embedder, texts: Sequence[str]) -> _Asked:
        """Embeds each question once."""
        distinct = list(dict.fromkeys(texts))
        vectors = np.stack([embedder.embed_query(text) for text in distinct])
        places = {text: at for at, text in enumerate(distinct)}
        return cls(embedder.identity, vectors, places)

    def of(self, dimensions: int) -> _Asked:
        """The same with the first dimensions of every vector."""
        vectors = shortened(self.vectors, dimensions)
        return _Asked(cut(self.identity, dimensions), vectors, self.places)

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """The vectors of these questions, in order."""
        rows: FloatArray = self.vectors[[self.places[text] for text in texts]]
        return rows

    def embed_query(self, text: str) -> FloatArray:
        """The vector of a question."""
        vector: FloatArray = self.vectors[self.places[text]]
        return vector


def _chunks(rows: pl.DataFrame, vectors: FloatArray) -> pa.Table:
    """Rows of an index with ids, addresses and vectors only: what a vector search has to tell."""
    schema = chunk_schema(vectors.shape[1])
    given = {
        "id": rows["id"].to_arrow().cast(pa.string()),
        "uri": rows["uri"].to_arrow().cast(pa.string()),
        **encoded(vectors, "float32"),
        "metadata": pa.array(["{}"] * len(rows), pa.string()),
    }
    return pa.table(
        [given.get(column.name, _nothing(column.type, len(rows))) for column in schema],
        schema=schema,
    )


def _nothing(kind: pa.DataType, count: int) -> pa.Array:
    nothing: object = 0 if pa.types.is_integer(kind) else "" if pa.types.is_string(kind) else []
    return pa.array([nothing] * count, kind)
