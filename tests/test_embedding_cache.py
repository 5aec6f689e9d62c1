"""The embedding cache: nothing is paid for twice, whatever fails in between."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.documents import text_hash
from include.embedding.cache import EmbeddingCache, cache_schema
from include.embedding.cached import CachedEmbedder, EmbeddingUsage
from include.embedding.protocol import EmbedderIdentity, FloatArray
from include.errors import ModelError
from include.storage.lance import LanceDatabase

IDENTITY = EmbedderIdentity(model="letters", weights="v1", dimensions=4)


def vector(text: str) -> FloatArray:
    seed = int(text_hash(text)[:8], 16)
    return np.random.default_rng(seed).standard_normal(4).astype(np.float32)


def matrix(texts: Sequence[str]) -> FloatArray:
    return np.array([vector(text) for text in texts], np.float32).reshape(len(texts), 4)


@dataclass
class LetterEmbedder:
    """Gives each text a vector of its own, remembers every batch, and breaks when told to."""

    identity: EmbedderIdentity = IDENTITY
    batches: list[list[str]] = field(default_factory=list)
    breaks_at: int = -1
    answer: FloatArray | None = None

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        if len(self.batches) == self.breaks_at:
            raise KeyboardInterrupt
        self.batches.append(list(texts))
        return matrix(texts) if self.answer is None else self.answer

    def embed_query(self, text: str) -> FloatArray:
        return vector("query: " + text)

    @property
    def paid(self) -> list[str]:
        return [text for batch in self.batches for text in batch]


@pytest.fixture
def database(tmp_path: Path) -> LanceDatabase:
    return LanceDatabase(tmp_path.as_uri())


@pytest.fixture
def cache(database: LanceDatabase) -> EmbeddingCache:
    return EmbeddingCache(database, IDENTITY)


TEXTS = ["a", "bbb", "cc", "dddd", "bbb", "eeeee"]


def test_vectors_come_in_the_order_of_the_texts_and_equal_the_models(cache: EmbeddingCache) -> None:
    embedder = CachedEmbedder(LetterEmbedder(), cache, batch_texts=2)
    np.testing.assert_array_equal(embedder.embed_documents(TEXTS), matrix(TEXTS))
    np.testing.assert_array_equal(embedder.embed_documents(TEXTS[::-1]), matrix(TEXTS[::-1]))
    assert embedder.embed_documents([]).shape == (0, 4)
    assert embedder.identity == IDENTITY


def test_only_texts_never_seen_are_embedded_each_once_longest_first(cache: EmbeddingCache) -> None:
    model = LetterEmbedder()
    CachedEmbedder(model, cache, batch_texts=2).embed_documents(TEXTS)
    assert model.batches == [["eeeee", "dddd"], ["bbb", "cc"], ["a"]]
    again = CachedEmbedder(model, cache, batch_texts=2)
    again.embed_documents([*TEXTS, "new"])
    assert model.batches[3:] == [["new"]]
    assert again.usage == EmbeddingUsage(embedded=1, reused=5)


def test_progress_hears_of_every_distinct_text_once(cache: EmbeddingCache) -> None:
    heard: list[int] = []
    embedder = CachedEmbedder(LetterEmbedder(), cache, batch_texts=2, on_progress=heard.append)
    embedder.embed_documents(["a", "bb"])
    embedder.embed_documents(TEXTS)
    assert heard == [2, 1, 2, 2]


def test_a_crash_costs_at_most_the_batch_in_flight(cache: EmbeddingCache) -> None:
    model = LetterEmbedder(breaks_at=2)
    with pytest.raises(KeyboardInterrupt):
        CachedEmbedder(model, cache, batch_texts=2).embed_documents(TEXTS)
    assert model.paid == ["eeeee", "dddd", "bbb", "cc"]
    model.breaks_at = -1
    CachedEmbedder(model, cache, batch_texts=2).embed_documents(TEXTS)
    assert model.paid == ["eeeee", "dddd", "bbb", "cc", "a"]


def test_filling_leaves_a_vector_of_every_text_and_pays_for_those_without(
    cache: EmbeddingCache,
) -> None:
    model = LetterEmbedder()
    heard: list[int] = []
    embedder = CachedEmbedder(model, cache, batch_texts=2, on_progress=heard.append)
    embedder.embed_documents(["a", "bbb"])
    embedder.fill(TEXTS)
    embedder.fill(TEXTS)
    assert model.batches == [["bbb", "a"], ["eeeee", "dddd"], ["cc"]]
    assert embedder.usage == EmbeddingUsage(embedded=5, reused=7)
    assert heard == [2, 2, 2, 1, 5]
    found, vectors = cache.get([text_hash(text) for text in TEXTS])
    text = {text_hash(each): each for each in TEXTS}
    np.testing.assert_array_equal(vectors, matrix([text[name] for name in found]))
    assert len(found) == 5


def test_a_crash_while_filling_costs_at_most_the_batch_in_flight(cache: EmbeddingCache) -> None:
    model = LetterEmbedder(breaks_at=2)
    with pytest.raises(KeyboardInterrupt):
        CachedEmbedder(model, cache, batch_texts=2).fill(TEXTS)
    assert cache.count() == 4
    model.breaks_at = -1
    CachedEmbedder(model, cache, batch_texts=2).fill(TEXTS)
    assert model.paid == ["eeeee", "dddd", "bbb", "cc", "a"]


@pytest.mark.parametrize(
    "answer",
    [
        np.zeros((2, 3), np.float32),
        np.zeros((1, 4), np.float32),
        np.zeros(8, np.float32),
        np.array([[0, 0, 0, 0], [0, np.nan, 0, 0]], np.float32),
        np.array([[0, 0, 0, np.inf], [0, 0, 0, 0]], np.float32),
    ],
)
def test_wrong_vectors_are_a_model_error_and_are_not_stored(
    cache: EmbeddingCache, answer: FloatArray
) -> None:
    embedder = CachedEmbedder(LetterEmbedder(answer=answer), cache)
    with pytest.raises(ModelError, match=r"letters-fp32-4-.* finite vectors of shape \(2, 4\)"):
        embedder.embed_documents(["x", "yy"])
    assert cache.count() == 0


def test_queries_go_to_the_model_and_are_not_stored(cache: EmbeddingCache) -> None:
    embedder = CachedEmbedder(LetterEmbedder(), cache)
    np.testing.assert_array_equal(embedder.embed_query("x"), vector("query: x"))
    assert cache.count() == 0


def test_two_identities_never_share_a_vector(database: LanceDatabase) -> None:
    int8 = replace(IDENTITY, precision="int8")
    EmbeddingCache(database, IDENTITY).put([text_hash("x")], matrix(["x"]))
    assert EmbeddingCache(database, int8).missing([text_hash("x")]) == [text_hash("x")]
    assert database.names() == [f"embeddings_{IDENTITY.id}"]


def test_missing_keeps_the_order_and_names_each_hash_once(cache: EmbeddingCache) -> None:
    assert cache.missing(["b", "a", "b"]) == ["b", "a"]
    cache.put(["a"], matrix(["a"]))
    assert cache.missing(["c", "a", "b", "c"]) == ["c", "b"]
    assert cache.missing([]) == []


def test_a_stored_vector_is_never_replaced(cache: EmbeddingCache) -> None:
    cache.put(["a", "b"], matrix(["a", "b"]))
    cache.put(["a", "c"], matrix(["other", "c"]))
    cache.put([], matrix([]))
    found, vectors = cache.get(["a", "b", "c", "d"])
    assert sorted(found) == ["a", "b", "c"]
    np.testing.assert_array_equal(vectors, matrix(found))


def test_a_damaged_vector_counts_as_absent_and_is_embedded_again(
    database: LanceDatabase, cache: EmbeddingCache
) -> None:
    model = LetterEmbedder()
    embedder = CachedEmbedder(model, cache)
    embedder.embed_documents(["a", "b"])
    table = database.table(f"embeddings_{IDENTITY.id}", cache_schema(4), "text_hash")
    damaged = table.lookup([text_hash("a")]).with_columns(checksum=pl.lit(1, pl.UInt32))
    table.upsert(damaged)
    assert cache.get([text_hash("a")])[0] == []
    np.testing.assert_array_equal(embedder.embed_documents(["a", "b"]), matrix(["a", "b"]))
    assert sorted(model.paid) == ["a", "a", "b"]


def test_a_row_says_when_it_was_paid_for(database: LanceDatabase) -> None:
    moment = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
    EmbeddingCache(database, IDENTITY, clock=lambda: moment).put(["a"], matrix(["a"]))
    table = database.table(f"embeddings_{IDENTITY.id}", cache_schema(4), "text_hash")
    assert table.read()["created_at"].to_list() == [moment]


def test_writers_with_overlapping_texts_do_not_fail_and_compaction_leaves_one_of_each(
    database: LanceDatabase, cache: EmbeddingCache
) -> None:
    def embed(worker: int) -> FloatArray:
        own = EmbeddingCache(LanceDatabase(database.uri), IDENTITY)
        embedder = CachedEmbedder(LetterEmbedder(), own, batch_texts=10)
        return embedder.embed_documents([f"t{n}" for n in range(worker, worker + 20)])

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(embed, range(10)))
    for worker, vectors in enumerate(results):
        np.testing.assert_array_equal(
            vectors, matrix([f"t{n}" for n in range(worker, worker + 20)])
        )
    hashes = [text_hash(f"t{n}") for n in range(29)]
    assert cache.missing(hashes) == []
    found, vectors = cache.get(hashes)
    assert sorted(found) == sorted(hashes)
    cache.optimize(timedelta(days=7))
    assert cache.count() == len(hashes)
    again, same = cache.get(hashes)
    assert dict(zip(again, same.tolist(), strict=True)) == dict(
        zip(found, vectors.tolist(), strict=True)
    )


def test_writers_that_create_the_cache_at_once_lose_no_vector(tmp_path: Path) -> None:
    for number in range(6):
        uri = (tmp_path / str(number)).as_uri()

        def put(text: str, uri: str = uri) -> None:
            EmbeddingCache(LanceDatabase(uri), IDENTITY).put([text_hash(text)], matrix([text]))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, "abcdefgh"))
        assert EmbeddingCache(LanceDatabase(uri), IDENTITY).count() == 8


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text(max_size=5), max_size=30), st.integers(1, 7))
def test_whatever_was_cached_before_the_vectors_are_the_models(
    cache: EmbeddingCache, texts: list[str], batch: int
) -> None:
    model = LetterEmbedder()
    hashes = {text_hash(text): text for text in texts}
    expected = {hashes[name] for name in cache.missing(list(hashes))}
    vectors = CachedEmbedder(model, cache, batch_texts=batch).embed_documents(texts)
    np.testing.assert_array_equal(vectors, matrix(texts))
    assert sorted(model.paid) == sorted(expected)
    assert cache.missing(list(hashes)) == []
