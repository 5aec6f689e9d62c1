"""Fewer dimensions of a model: made of its whole vectors, which alone are paid for and kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.documents import text_hash
from include.embedding.cache import EmbeddingCache, cache_rows, cache_schema
from include.embedding.cached import CachedEmbedder
from include.embedding.fake import FakeEmbedder
from include.embedding.openai import openai_identity
from include.embedding.shortened import cut, shorten, shortened, split
from include.errors import ConfigurationError
from include.remote.endpoint import Endpoint
from include.storage.lance import LanceDatabase
from tests.test_embedding_cache import database  # noqa: F401 (a fixture)

TEXTS = ["one two three", "four five", "six"]
HERE = Endpoint("http://a/v1", "k" * 9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model@256", ("model", 256)),
        ("owner/model", ("owner/model", None)),
        ("a@b@8", ("a@b", 8)),
        ("model@x", ("model@x", None)),
        ("@8", ("@8", None)),
    ],
)
def test_a_name_says_its_dimensions_at_its_end(name, expected):
    assert split(name) == expected


def test_a_cut_model_has_an_identity_of_its_own_and_knows_the_whole_one():
    whole = FakeEmbedder(32).identity
    short = cut(whole, 16)
    assert short.full == whole
    assert (short.dimensions, whole.full) == (16, whole)
    assert len({whole.id, short.id, cut(whole, 8).id}) == 3
    assert cut(whole, 32) is cut(whole, None) is whole


@pytest.mark.parametrize("dimensions", [0, 33, 1_000])
def test_dimensions_that_the_model_does_not_have_are_refused(dimensions):
    with pytest.raises(ConfigurationError, match=f"asks for {dimensions} .*from 1 to 32"):
        shorten(FakeEmbedder(32), dimensions)


def test_identities_of_before_keep_their_names():
    # An index and a cache bear them: another name would be another index.
    asked = openai_identity("text-embedding-3-small@256", HERE)
    assert asked.id == replace(asked, full_dimensions=0).id
    assert asked.id == "text-embedding-3-small-fp32-256-9e43b46c"


@given(st.integers(1, 31))
def test_what_is_derived_is_the_first_dimensions_of_unit_length(dimensions):
    whole = FakeEmbedder(32)
    vectors = shorten(whole, dimensions).embed_documents(TEXTS)
    plain = whole.embed_documents(TEXTS)[:, :dimensions]
    assert np.allclose(vectors, plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6)
    assert np.array_equal(shorten(whole, dimensions).embed_query("six"), vectors[2])


def cached(database: LanceDatabase, dimensions: int | None) -> tuple[FakeEmbedder, CachedEmbedder]:  # noqa: F811
    model = FakeEmbedder(32)
    embedder = shorten(model, dimensions)
    return model, CachedEmbedder(embedder, EmbeddingCache(database, embedder.identity))


def test_a_text_is_embedded_once_whatever_dimensions_are_asked_for(database):  # noqa: F811
    model, short = cached(database, 8)
    first = short.embed_documents(TEXTS)
    assert (first.shape, len(model.embedded), short.usage.embedded) == ((3, 8), 3, 3)
    for dimensions in (None, 16, 8):
        other, embedder = cached(database, dimensions)
        vectors = embedder.embed_documents(TEXTS)
        assert (other.embedded, embedder.usage.reused) == ([], 3)
        assert np.array_equal(vectors, shorten(FakeEmbedder(32), dimensions).embed_documents(TEXTS))
    assert database.names() == [f"embeddings_{FakeEmbedder(32).identity.id}"]


def test_missing_looks_at_whole_vectors(database):  # noqa: F811
    _, whole = cached(database, None)
    whole.embed_documents(TEXTS[:2])
    short = EmbeddingCache(database, cut(FakeEmbedder(32).identity, 8))
    assert short.missing([text_hash(text) for text in TEXTS]) == [text_hash("six")]
    assert short.source == FakeEmbedder(32).identity.id


def test_a_short_vector_that_an_api_once_gave_is_used(database):  # noqa: F811
    identity = cut(FakeEmbedder(32).identity, 8)
    given = shortened(FakeEmbedder(32).embed_documents(["six"]), 8)
    table = database.table(f"embeddings_{identity.id}", cache_schema(8), "text_hash")
    cache = EmbeddingCache(database, identity)
    table.upsert(cache_rows([text_hash("six")], given, cache._clock()))
    model, embedder = cached(database, 8)
    vectors = embedder.embed_documents(TEXTS)
    assert sorted(model.embedded) == sorted(TEXTS[:2])
    assert np.allclose(vectors, shorten(FakeEmbedder(32), 8).embed_documents(TEXTS), atol=1e-6)
    assert cache.missing([text_hash(text) for text in TEXTS]) == []


@pytest.mark.parametrize(
    ("name", "dimensions", "full"),
    [
        ("text-embedding-3-small", 1536, 0),
        ("text-embedding-3-small@512", 512, 1536),
        ("text-embedding-3-large@3072", 3072, 0),
        ("somebody-elses@64", 64, 0),
        ("text-embedding-3-unheard-of@64", 64, 0),
    ],
)
def test_only_what_openai_documents_is_cut(name, dimensions, full):
    identity = openai_identity(name, HERE)
    assert (identity.dimensions, identity.full_dimensions) == (dimensions, full)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("text-embedding-3-small@2000", "from 1 to 1536"),
        ("text-embedding-ada-002@256", "not made to be cut: leave @256 out"),
    ],
)
def test_dimensions_that_the_api_would_refuse_are_refused_before(name, told):
    with pytest.raises(ConfigurationError, match=told):
        openai_identity(name, HERE)
