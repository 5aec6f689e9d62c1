"""The forms of stored vectors: what a column keeps of them, and what it is read back as."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import ConfigurationError
from include.storage.vector_forms import (
    FORMS,
    SIGNS,
    VECTOR,
    decoded,
    dimensions_of,
    encoded,
    fields,
    form_of,
    raw,
    require_form,
    signs,
)


def units(count: int, dimensions: int, seed: int = 1) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize("form", FORMS)
def test_a_column_tells_its_form_and_its_dimensions(form):
    schema = pa.schema(fields(form, 48))
    assert (form_of(schema), dimensions_of(schema)) == (form, 48)
    columns = encoded(units(5, 48), form)
    assert [(f.name, f.type) for f in schema] == [(n, c.type) for n, c in columns.items()]


@pytest.mark.parametrize(
    ("form", "cosine"), [("float32", 1.0), ("float16", 0.9999), ("int8", 0.9999), ("binary", 0.7)]
)
def test_what_is_read_back_has_unit_length_and_points_where_the_vector_did(form, cosine):
    vectors = units(200, 384)
    back = decoded(encoded(vectors, form)[VECTOR])
    assert back.dtype == np.float32
    assert np.allclose(np.linalg.norm(back, axis=1), 1, atol=1e-3)
    assert (np.einsum("ij,ij->i", vectors, back) >= cosine - 1e-6).all()


@pytest.mark.parametrize(
    ("form", "size"), [("float32", 1536), ("float16", 768), ("int8", 432), ("binary", 48)]
)
def test_a_form_takes_so_many_bytes(form, size):
    assert sum(column.flatten().nbytes for column in encoded(units(1, 384), form).values()) == size


@given(st.sampled_from(FORMS), st.integers(0, 5), st.integers(1, 6), st.integers(0, 99))
def test_storing_what_was_read_back_stores_the_same(form, count, eighths, seed):
    vectors = units(count, 8 * eighths, seed)
    once = encoded(vectors, form)
    again = encoded(decoded(once[VECTOR]), form)
    assert {name: column.to_pylist() for name, column in once.items()} == {
        name: column.to_pylist() for name, column in again.items()
    }


def test_the_signs_beside_int8_are_those_of_what_is_stored():
    columns = encoded(units(50, 64), "int8")
    assert (signs(raw(columns[VECTOR])) == raw(columns[SIGNS])).all()


def test_a_slice_of_a_column_is_read_from_its_own_rows():
    columns = encoded(units(9, 16), "int8")
    part = pa.chunked_array([columns[VECTOR].slice(2, 3), columns[VECTOR].slice(7)])
    assert np.array_equal(decoded(part), decoded(columns[VECTOR])[[2, 3, 4, 7, 8]])


def test_a_row_of_zeros_is_not_a_vector():
    assert np.isnan(decoded(encoded(np.zeros((1, 8), np.float32), "int8")[VECTOR])).all()


@pytest.mark.parametrize("form", ["int8", "binary"])
def test_signs_need_a_multiple_of_eight_dimensions(form):
    require_form(form, 16)
    require_form("float16", 20)
    with pytest.raises(ConfigurationError, match=rf"RAG_INDEX_VECTORS={form}.*of 8, is 20.*@16"):
        require_form(form, 20)
