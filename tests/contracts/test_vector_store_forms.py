"""What every VectorStore promises of an index that stores its vectors in fewer bits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from include.errors import ConfigurationError, LakeError
from include.filters import EVERYTHING
from include.storage.lance import LanceDatabase
from include.storage.vector_forms import FORMS, Form, decoded, encoded
from include.vectorstore import lance_indexes
from include.vectorstore.lance import LanceVectorStore, lagging
from include.vectorstore.memory import MemoryVectorStore
from include.vectorstore.protocol import VectorStore, chunk_schema
from tests.contracts.test_vector_stores import FIELDS, chunk, scope

INDEX, DIMENSIONS, CHUNKS = "forms", 64, 300
Open = Callable[[Form], VectorStore]


def vectors(count: int = CHUNKS, seed: int = 3) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((count, DIMENSIONS)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def table(given: np.ndarray, **columns: object) -> pa.Table:
    rows = [chunk(f"d{at:03}", vector=vector, **columns) for at, vector in enumerate(given)]
    return pa.Table.from_pylist(rows, schema=chunk_schema(DIMENSIONS))


@pytest.fixture(params=["memory", "lance"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Makes an index of 300 chunks in a form."""

    def make(form: Form) -> VectorStore:
        lance = LanceVectorStore(LanceDatabase(tmp_path.as_uri()), FIELDS)
        store: VectorStore = MemoryVectorStore() if request.param == "memory" else lance
        store.create(INDEX, DIMENSIONS, form)
        store.publish(INDEX, table(vectors()), [])
        return store

    return make


def nearest(form: Form, asked: np.ndarray, k: int) -> list[str]:
    likeness = decoded(encoded(vectors(), form)["vector"]) @ asked
    return [f"d{at:03}" for at in np.argsort(-likeness, kind="stable")[:k]]


@pytest.mark.parametrize("form", FORMS)
def test_the_nearest_are_those_of_the_stored_vectors(made, form):
    store = made(form)
    for asked in vectors(5, seed=4):
        hits = store.search_vector(INDEX, asked, 10)
        assert [hit.chunk_id for hit in hits] == nearest(form, asked, 10)
        best = decoded(encoded(vectors(), form)["vector"]) @ asked
        assert hits[0].score == pytest.approx(float(best.max()), abs=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_a_chunk_is_replaced_retracted_and_filtered(made, form):
    store = made(form)
    other = vectors(1, seed=9)
    done = store.publish(INDEX, table(other, metadata='{"year": 2024}', text="new"), ["d001"])
    assert (done.inserted, done.updated, done.deleted) == (0, 1, 1)
    (best, *_) = store.search_vector(INDEX, other[0], 3)
    assert (best.chunk_id, best.text) == ("d000", "new")
    near = store.search_vector(INDEX, vectors()[1], 300, EVERYTHING)
    assert len({hit.chunk_id for hit in near}) == CHUNKS - 1
    if isinstance(store, LanceVectorStore):
        of_year = store.search_vector(INDEX, vectors()[5], 9, scope("year = 2024"))
        assert [hit.chunk_id for hit in of_year] == ["d000"]


@pytest.mark.parametrize("form", FORMS)
def test_an_index_keeps_its_form(made, form):
    store = made(form)
    store.create(INDEX, DIMENSIONS)
    store.create(INDEX, DIMENSIONS, form)
    other = "int8" if form != "int8" else "binary"
    with pytest.raises(LakeError):
        store.create(INDEX, DIMENSIONS, other)
    with pytest.raises(LakeError):
        store.create(INDEX, DIMENSIONS * 2)
    assert store.count(INDEX) == CHUNKS


def test_a_form_that_does_not_fit_makes_no_index(tmp_path):
    for store in (MemoryVectorStore(), LanceVectorStore(LanceDatabase(tmp_path.as_uri()))):
        with pytest.raises(ConfigurationError, match="multiple of 8"):
            store.create(INDEX, 20, "binary")
        assert store.indexes() == []


@pytest.mark.parametrize("form", FORMS)
def test_a_large_index_gets_a_vector_index_of_its_kind(tmp_path, form, monkeypatch):
    monkeypatch.setattr(lance_indexes, "_EXACT_ROWS", 250)
    database = LanceDatabase(tmp_path.as_uri())
    store = LanceVectorStore(database, FIELDS)
    store.create(INDEX, DIMENSIONS, form)
    store.publish(INDEX, table(vectors()), [])
    store.publish(INDEX, table(vectors(1), metadata='{"year": 2024}'), [])
    handle = database.open(f"chunks_{INDEX}")
    column = lance_indexes.searched(handle)
    assert column in lagging(handle)
    store.optimize(INDEX, timedelta(days=1))
    handle = database.open(f"chunks_{INDEX}")
    kinds = {each.columns[0]: str(each.index_type) for each in handle.list_indices()}
    assert kinds[column] == ("IvfFlat" if form in ("int8", "binary") else "IvfRq")
    assert lagging(handle) == {}
    asked = vectors(1, seed=4)[0]
    found = [hit.chunk_id for hit in store.search_vector(INDEX, asked, 10)]
    assert len(set(found) & set(nearest(form, asked, 10))) >= 8
    of_year = store.search_vector(INDEX, -vectors()[0], 5, scope("year = 2024"))
    assert [hit.chunk_id for hit in of_year] == ["d000"]
    lance_indexes.rebuild(database.open(f"chunks_{INDEX}"))
    assert [hit.chunk_id for hit in store.search_vector(INDEX, asked, 1)] == found[:1]


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_found_of_nothing(made, form):
    store = made(form)
    store.publish(INDEX, table(vectors(0)), [f"d{at:03}" for at in range(CHUNKS)])
    assert store.search_vector(INDEX, vectors()[0], 10) == []
