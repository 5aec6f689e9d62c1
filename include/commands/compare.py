"""`compare-chunkers`: what each chunking strategy costs and finds, on your documents and questions."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from include.chunking import STRATEGIES, Chunker, Tokenizer
from include.commands.corpus import Document, documents, parsed
from include.commands.progress import bar
from include.documents import text_hash
from include.embedding.cached import CachedEmbedder
from include.embedding.protocol import Embedder, EmbedderIdentity, FloatArray
from include.embedding.sentences import EmbeddedSentences
from include.errors import ConfigurationError
from include.evaluation.questions import Question, load_questions
from include.evaluation.run import evaluate
from include.retrieval.search import Mode, Searcher
from include.spending.caller import Caller
from include.stages.rows import CHUNKS, chunk_columns
from include.storage.lance import LanceDatabase
from include.vectorstore.lance import LanceVectorStore
from include.vectorstore.protocol import VectorStore, chunk_schema
from include.wiring import Platform, new_run_id

Json = dict[str, Any]
METRICS = ("ndcg@10", "recall@10", "mrr@10")
_INDEX = "comparison"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared: strategies, each with every number of tokens, on the same questions."""

    questions: Path
    strategies: Sequence[str] = tuple(STRATEGIES)
    tokens: Sequence[int] = ()
    mode: Mode = "hybrid"


def compare(platform: Platform, asked: Comparison) -> Json:
    """One row a strategy and size; the index of each is made in a temporary folder.

    Nothing of the live index changes. Vectors come from the embedding cache, and new ones stay
    there: a later sync with that strategy does not pay for them again.
    """
    platform.caller = Caller(run=new_run_id(), task="compare-chunkers")
    questions = load_questions(asked.questions)
    count = _require_documents(platform, questions)
    queries = _Remembering(platform.embedder)
    sizes = asked.tokens or (platform.settings.chunking.tokens,)
    rows = [
        _row(platform, (name, tokens), questions, Searching(queries, asked.mode, count))
        for name in dict.fromkeys(asked.strategies)
        for tokens in dict.fromkeys(sizes)
    ]
    return {
        "documents": count,
        "questions": len(questions),
        "mode": asked.mode,
        "embedder": platform.embedder.identity.id,
        "strategies": rows,
    }


@dataclass(frozen=True, slots=True)
class Searching:
    """How every index is searched, and how many documents fill it."""

    embedder: Embedder
    mode: Mode
    documents: int


def _row(
    platform: Platform,
    variant: tuple[str, int],
    questions: Sequence[Question],
    searching: Searching,
) -> Json:
    began = time.monotonic()
    meter = Meter(platform.cached_embedder(), platform.tokenizer)
    chunker = _chunker(platform, variant, meter)
    with tempfile.TemporaryDirectory(prefix="compare-chunkers-") as folder:
        store = LanceVectorStore(LanceDatabase(Path(folder).as_uri()))
        store.create(_INDEX, meter.identity.dimensions)
        chunks = tokens = 0
        with bar(f"{variant[0]} {variant[1]}", searching.documents) as advance:
            for part in documents(platform):
                counts = _publish(part, chunker, meter, store)
                chunks, tokens = chunks + counts[0], tokens + counts[1]
                advance(len(part))
        store.optimize(_INDEX)
        searcher = Searcher(searching.embedder, store, _INDEX)
        metrics = evaluate(questions, searcher, mode=searching.mode).metrics
    return {
        "strategy": variant[0],
        "tokens": variant[1],
        "chunker": chunker.id,
        "chunks": chunks,
        "mean_tokens": round(tokens / max(1, chunks), 1),
        "tokens_embedded": meter.tokens,
        "new_texts": meter.new_texts,
        **{name: round(metrics[name], 4) for name in METRICS},
        "estimated_cost_usd": f"{platform.embedding_cost(meter.tokens):f}",
        "seconds": round(time.monotonic() - began, 1),
    }


def _chunker(platform: Platform, variant: tuple[str, int], meter: Meter) -> Chunker:
    """The strategy at this size, with the configured share of overlap."""
    name, tokens = variant
    configured = platform.settings.chunking
    parts = replace(
        platform.chunking_parts(may_embed=True),
        tokens=tokens,
        overlap_tokens=configured.overlap_tokens * tokens // configured.tokens,
        parent_tokens=max(tokens, configured.parent_tokens),
        vectors=EmbeddedSentences(meter.identity.id, lambda: meter, platform.compact_cache),
    )
    return STRATEGIES[name](parts)


def _publish(
    part: Iterable[Document], chunker: Chunker, meter: Meter, store: VectorStore
) -> tuple[int, int]:
    """Chunks, embeds and publishes some documents; returns their chunks and tokens."""
    frames = [pl.DataFrame(schema=CHUNKS)]
    for document in part:
        body = parsed(document)
        spans = chunker.chunk(body.text, body.blocks)
        columns = chunk_columns(document, body, spans, chunker.id)
        frames.append(pl.DataFrame(columns, schema=CHUNKS))
    chunks = pl.concat(frames)
    if chunks.height:
        vectors = meter.embed_documents(chunks["text"].to_list())
        store.publish(_INDEX, _table(chunks, vectors), [])
    return chunks.height, int(chunks["tokens"].sum())


def _table(rows: pl.DataFrame, vectors: FloatArray) -> pa.Table:
    dimensions = vectors.shape[1]
    flat = pa.array(vectors.reshape(-1), type=pa.float32())
    table = rows.with_columns(run_id=pl.lit("comparison")).to_arrow()
    table = table.append_column("vector", pa.FixedSizeListArray.from_arrays(flat, dimensions))
    schema = chunk_schema(dimensions)
    return table.select(schema.names).cast(schema)


def _require_documents(platform: Platform, questions: Sequence[Question]) -> int:
    """How many documents there are; ConfigurationError when no question is about any of them."""
    uris = [str(document["uri"]) for part in documents(platform) for document in part]
    if not any(question.name(uri) != uri for uri in uris for question in questions):
        raise ConfigurationError(
            f"None of the {len(uris)} documents of {' '.join(platform.settings.source.uris)} is "
            f"named by a question: `relevant` should hold the ends of their paths."
        )
    return len(uris)


class Meter:
    """An embedder that counts the distinct texts asked of it, cached or not."""

    def __init__(self, embedder: CachedEmbedder, tokenizer: Tokenizer) -> None:
        self._embedder = embedder
        self._tokenizer = tokenizer
        self._seen: set[str] = set()
        self.tokens = 0

    @property
    def identity(self) -> EmbedderIdentity:
        """That of the embedder behind it."""
        return self._embedder.identity

    @property
    def new_texts(self) -> int:
        """How many of the texts no vector was cached for."""
        return self._embedder.usage.embedded

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """One vector per text, in order."""
        for text in texts:
            name = text_hash(text)
            if name not in self._seen:
                self._seen.add(name)
                self.tokens += self._tokenizer.count(text)
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: str) -> FloatArray:
        """The query's vector; not counted."""
        return self._embedder.embed_query(text)


class _Remembering:
    """An embedder of questions that is asked for each only once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._batches: dict[tuple[str, ...], FloatArray] = {}
        self._queries: dict[str, FloatArray] = {}

    @property
    def identity(self) -> EmbedderIdentity:
        """That of the embedder behind it."""
        return self._embedder.identity

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """One vector per text, in order."""
        batch = tuple(texts)
        if batch not in self._batches:
            self._batches[batch] = self._embedder.embed_documents(texts)
        return self._batches[batch]

    def embed_query(self, text: str) -> FloatArray:
        """The query's vector."""
        if text not in self._queries:
            self._queries[text] = self._embedder.embed_query(text)
        return self._queries[text]
