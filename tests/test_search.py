"""Searching: modes, order, bounds and reranking, over the in-memory store and a fake model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from include.documents import Hit
from include.embedding.fake import FakeEmbedder
from include.embedding.protocol import EmbedderIdentity, FloatArray
from include.errors import ConfigurationError, ModelError, QueryError
from include.filters import Scope, parse_filter
from include.metadata import Fields
from include.retrieval.fusion import convex_combination, reciprocal_rank_fusion
from include.retrieval.rerank import KeepOrder, PairReranker
from include.retrieval.search import MODES, Mode, Searcher
from include.vectorstore.memory import MemoryVectorStore
from include.vectorstore.protocol import chunk_schema

TEXTS = {
    "a": "retry a failing call with backoff",
    "b": "retry a failing call at once",
    "c": "parse a date from text",
    "d": "parse a duration from text",
    "e": "draw a progress bar",
}


def row(name: str, text: str, vector: FloatArray) -> dict[str, object]:
    return {
        "id": name,
        "document_id": f"doc-{name}",
        "uri": f"file:///docs/{name}.md",
        "version": "v1",
        "title": "",
        "heading": [],
        "text": text,
        "text_hash": name,
        "start": 0,
        "end": len(text),
        "tokens": len(text.split()),
        "page": 0,
        "context_start": 0,
        "context_end": len(text),
        "acl": [],
        "language": "en",
        "metadata": "{}",
        "row_hash": name,
        "run_id": "run",
        "vector": vector,
    }


def index_of(texts: dict[str, str], embedder: FakeEmbedder) -> MemoryVectorStore:
    store, dimensions = MemoryVectorStore(), embedder.identity.dimensions
    store.create("live", dimensions)
    if texts:
        vectors = embedder.embed_documents(list(texts.values()))
        rows = [row(n, t, v) for (n, t), v in zip(texts.items(), vectors, strict=True)]
        store.publish("live", pa.Table.from_pylist(rows, schema=chunk_schema(dimensions)), [])
    embedder.embedded.clear()
    return store


@pytest.fixture
def searcher() -> Searcher:
    embedder = FakeEmbedder(256)
    return Searcher(embedder, index_of(TEXTS, embedder), "live")


def names(hits: Sequence[Hit]) -> list[str]:
    return [hit.chunk_id for hit in hits]


@pytest.mark.parametrize("mode", MODES)
def test_the_chunk_with_the_words_of_the_query_comes_first(searcher: Searcher, mode: Mode) -> None:
    assert names(searcher.search("retry with backoff", 2, mode=mode))[0] == "a"
    assert names(searcher.search("a progress bar", 2, mode=mode))[0] == "e"


@pytest.mark.parametrize("mode", MODES)
def test_scores_fall_and_hits_are_at_most_k(searcher: Searcher, mode: Mode) -> None:
    hits = searcher.search("parse a date", 3, mode=mode)
    scores = [hit.score for hit in hits]
    assert len(hits) <= 3
    assert scores == sorted(scores, reverse=True)


def test_a_larger_k_only_adds_hits_below(searcher: Searcher) -> None:
    query = "parse a failing date"
    assert names(searcher.search(query, 5))[:2] == names(searcher.search(query, 2))


def test_a_vector_score_is_the_cosine_and_a_hybrid_score_a_share(searcher: Searcher) -> None:
    (best,) = searcher.search(TEXTS["c"], 1, mode="vector")
    assert best.score == pytest.approx(1, abs=1e-5)
    (fused,) = searcher.search(TEXTS["c"], 1)
    assert fused.score == pytest.approx(1, abs=1e-5)


def test_hybrid_finds_what_only_one_ranking_holds(searcher: Searcher) -> None:
    hits = searcher.search("backoff", 5)
    assert names(hits)[0] == "a"
    assert set(names(hits)) == set(TEXTS)


class FixedStore:
    """Finds what it is told, whatever is asked."""

    def __init__(self, near: Sequence[Hit], lexical: Sequence[Hit]) -> None:
        self.near, self.lexical = list(near), list(lexical)

    def search_vector(self, index: str, vector: FloatArray, k: int, scope: Scope) -> list[Hit]:
        return self.near[:k]

    def search_text(self, index: str, query: str, k: int, scope: Scope) -> list[Hit]:
        return self.lexical[:k]


def test_a_chunk_that_one_search_alone_finds_is_among_the_hits(searcher: Searcher) -> None:
    hits = {hit.chunk_id: hit for hit in searcher.search("retry", 5)}
    store = FixedStore([hits["a"]], [hits["b"]])
    found = replace(searcher, store=store).search("retry", 5)
    assert [(hit.chunk_id, hit.score) for hit in found] == [("a", 0.6), ("b", 0.4)]


def test_hybrid_is_the_fusion_of_both_rankings(searcher: Searcher) -> None:
    query = "retry a date"
    rankings = [
        [(hit.chunk_id, hit.score) for hit in searcher.search(query, 100, mode=mode)]
        for mode in ("vector", "text")
    ]
    expected = convex_combination(rankings, weights=[0.6, 0.4])
    assert [(hit.chunk_id, hit.score) for hit in searcher.search(query, 5)] == [
        (name, pytest.approx(score)) for name, score in expected
    ]


def test_the_fusion_can_be_chosen(searcher: Searcher) -> None:
    (best,) = replace(searcher, fusion=reciprocal_rank_fusion, vector_weight=0.5).search(
        TEXTS["c"], 1
    )
    assert best.chunk_id == "c"
    assert best.score == pytest.approx(1 / 61)


def test_equal_chunks_are_ordered_by_id() -> None:
    embedder = FakeEmbedder(64)
    texts = dict.fromkeys("dbca", "the same words")
    found = Searcher(embedder, index_of(texts, embedder), "live")
    for mode in MODES:
        assert names(found.search("same words", 3, mode=mode)) == ["a", "b", "c"]


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_index_answers_with_nothing(mode: Mode) -> None:
    embedder = FakeEmbedder()
    assert Searcher(embedder, index_of({}, embedder), "live").search("anything", mode=mode) == []


@pytest.mark.parametrize("query", ["", "  ", "\n\t"])
def test_an_empty_query_is_refused(searcher: Searcher, query: str) -> None:
    with pytest.raises(ConfigurationError, match="The query should contain a word"):
        searcher.search(query)


def test_a_query_with_half_a_character_is_refused(searcher: Searcher) -> None:
    with pytest.raises(QueryError, match="should be Unicode"):
        searcher.search("why \ud800")


@pytest.mark.parametrize(
    ("k", "message"),
    [(0, "k should be >= 1, is now 0"), (-3, "is now -3"), (1001, "k should be <= 1000")],
)
def test_k_out_of_bounds_is_refused(searcher: Searcher, k: int, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        searcher.search("retry", k)


def test_an_unknown_mode_is_refused_with_the_modes_there_are(searcher: Searcher) -> None:
    with pytest.raises(ConfigurationError, match="one of hybrid, vector, text, is 'fuzzy'"):
        searcher.search("retry", mode="fuzzy")  # type: ignore[arg-type]


def test_text_search_embeds_nothing() -> None:
    embedder = FakeEmbedder()
    found = Searcher(embedder, index_of(TEXTS, embedder), "live")
    found.search("retry", mode="text")
    assert embedder.queries == []


def test_many_queries_are_embedded_at_once_and_answered_alike() -> None:
    embedder = FakeEmbedder(256)
    found = Searcher(embedder, index_of(TEXTS, embedder), "live")
    queries = ["retry", "parse", "draw"]
    together = found.search_all(queries, 3)
    assert (embedder.embedded, embedder.queries) == (queries, [])
    assert together == [found.search(query, 3) for query in queries]


class PrefixedEmbedder(FakeEmbedder):
    """A model that reads queries otherwise than documents."""

    @property
    def identity(self) -> EmbedderIdentity:
        return replace(super().identity, query_prefix="query: ")


def test_a_model_that_reads_queries_otherwise_embeds_them_as_queries() -> None:
    embedder = PrefixedEmbedder(256)
    found = Searcher(embedder, index_of(TEXTS, embedder), "live")
    found.search_all(["retry", "parse"], 3)
    assert (embedder.embedded, embedder.queries) == ([], ["retry", "parse"])


def test_keeping_the_order_changes_nothing(searcher: Searcher) -> None:
    hits = searcher.search("retry", 5)
    assert KeepOrder().rerank("retry", hits) == hits


def by_length(pairs: list[tuple[str, str]]) -> list[float]:
    return [-float(len(text)) for _, text in pairs]


def test_a_reranker_orders_the_candidates_before_k_cuts_them(searcher: Searcher) -> None:
    shortest = min(TEXTS, key=lambda name: len(TEXTS[name]))
    (best,) = replace(searcher, reranker=PairReranker(by_length)).search("retry a call", 1)
    assert best.chunk_id == shortest
    assert best.score == -len(TEXTS[shortest])


def test_a_reranker_leaves_what_lies_below_its_depth(searcher: Searcher) -> None:
    hits = searcher.search("retry a call", 5)
    ranked = PairReranker(by_length, depth=2).rerank("retry a call", hits)
    assert ranked[2:] == hits[2:]
    assert sorted(names(ranked[:2])) == sorted(names(hits[:2]))
    assert len(ranked[0].text) <= len(ranked[1].text)


def test_a_reranker_is_not_asked_about_nothing() -> None:
    def refuse(pairs: list[tuple[str, str]]) -> list[float]:
        raise AssertionError(pairs)

    assert PairReranker(refuse).rerank("retry", []) == []


def test_a_reranker_with_too_few_scores_is_refused(searcher: Searcher) -> None:
    with pytest.raises(ModelError, match="gave 1 scores for 2 passages"):
        PairReranker(lambda pairs: [np.float32(1)]).rerank("retry", searcher.search("retry", 2))


@pytest.mark.parametrize("mode", MODES)
def test_a_scope_leaves_k_hits_in_every_mode(mode: Mode) -> None:
    embedder = FakeEmbedder(64)
    store = index_of({f"c{n:03}": f"shared words {n}" for n in range(300)}, embedder)
    fields = Fields.parse("")
    some = ", ".join(f"'file:///docs/c{n:03}.md'" for n in range(290, 300))
    scope = Scope(parse_filter(f"uri in ({some})", fields))
    found = Searcher(embedder, store, "live", scope=scope).search("shared words", 10, mode=mode)
    assert sorted(names(found)) == [f"c{n:03}" for n in range(290, 300)]


@pytest.mark.parametrize("mode", MODES)
def test_a_search_for_distinct_hits_looks_deeper_until_it_has_k(mode: Mode) -> None:
    def one_in_a_hundred(hits: Sequence[Hit]) -> list[Hit]:
        return [hit for hit in hits if hit.chunk_id.endswith("00")]

    embedder = FakeEmbedder(64)
    store = index_of({f"c{n:03}": "the same words" for n in range(900)}, embedder)
    plain = Searcher(embedder, store, "live")
    assert len(replace(plain, distinct=one_in_a_hundred).search("same words", 3, mode=mode)) == 3
    assert len(replace(plain, distinct=one_in_a_hundred).search("same words", 50, mode=mode)) == 9
    assert len(plain.search("same words", 50, mode=mode)) == 50
