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

from include.embedding.cache import EmbeddingCache
from include.embedding.protocol import Embedder, EmbedderIdentity, FloatArray
from include.embedding.shortened import cut, shortened
from include.errors import ConfigurationError
from include.evaluation.comparing import compare
from include.evaluation.exact import TrueNearest
from include.evaluation.options import Measured, Option
from include.evaluation.questions import Question
from include.evaluation.run import Evaluation, evaluate
from include.evaluation.timing import Latency, percentiles
from include.evaluation.tried import Made, Texts
from include.retrieval.search import Mode, Searcher
from include.storage.lance import LanceDatabase
from include.storage.scans import Scan
from include.vectorstore.protocol import VectorStore

_ROWS = 8_192
_SEARCHES = 200
_K = 10


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
            made = Made(Path(folder), Texts(place, self.store, self.index), options)
            exact = self._fill(made, asked.vectors[:_SEARCHES])
            found: list[tuple[Option, Evaluation, float, Latency]] = []
            for option in options:
                made.store.optimize(option.name)
                searcher = Searcher(asked.of(option.dimensions), made.store, option.name)
                scored = evaluate(questions, searcher, mode=mode)
                recall, latency = _searched(made.store, option, asked.vectors[:_SEARCHES], exact)
                found.append((option, scored, recall, latency))
            return [self._measured(made, each, found[0][1]) for each in found]

    def _fill(self, made: Made, asked: FloatArray) -> TrueNearest:
        """Writes every option's index in one pass over the chunks; the true nearest of each query."""
        scan = Scan.of(self.database, f"chunks_{self.index}")
        nearest = TrueNearest(asked)
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
        made: Made,
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


def _searched(
    store: VectorStore,
    option: Option,
    asked: FloatArray,
    exact: TrueNearest,
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
        """Embeds each question once, all in one batch where the model allows."""
        distinct = list(dict.fromkeys(texts))
        identity = embedder.identity
        if identity.query_prefix == identity.document_prefix:
            vectors = embedder.embed_documents(distinct)
        else:
            vectors = np.stack([embedder.embed_query(text) for text in distinct])
        places = {text: at for at, text in enumerate(distinct)}
        return cls(identity, vectors, places)

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
