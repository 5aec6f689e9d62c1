"""The forms in which an index stores unit vectors: as they are, or in fewer bits. Pure.

`float32` is the vector itself, `float16` its nearest halves. `int8` has one byte for a dimension (the
largest of a vector is 127: a cosine needs no scale) and a bit for its sign, `binary` only that bit. A
column's type tells its form, so whoever reads vectors needs to be told nothing.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.errors import ConfigurationError
from include.settings import VectorForm

Form: TypeAlias = VectorForm
FORMS: tuple[Form, ...] = get_args(Form)
Vectors: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[np.float32] | NDArray[np.integer[Any]] | NDArray[np.float16]

VECTOR, SIGNS = "vector", "vector_signs"
"""The column of vectors, and for int8 that of their signs, which are searched first."""

_BITS = 8
_LARGEST = 127
_TYPES: dict[Form, pa.DataType] = {
    "float32": pa.float32(),
    "float16": pa.float16(),
    "int8": pa.int8(),
    "binary": pa.uint8(),
}


def require_form(form: Form, dimensions: int) -> None:
    """Raises ConfigurationError for a form that vectors of so many dimensions cannot have."""
    if form in ("int8", "binary") and dimensions % _BITS:
        raise ConfigurationError(
            f"RAG_INDEX_VECTORS={form} packs the signs of eight dimensions into a byte: the number of "
            f"dimensions should be a multiple of 8, is {dimensions}. Use float16, or cut the "
            f"vectors, as in RAG_EMBEDDER=local:model@{dimensions // _BITS * _BITS or _BITS}."
        )


def fields(form: Form, dimensions: int) -> list[pa.Field]:
    """The columns of vectors in this form."""
    length = dimensions // _BITS if form == "binary" else dimensions
    column = pa.field(VECTOR, pa.list_(_TYPES[form], length), nullable=False)
    signs = pa.field(SIGNS, pa.list_(pa.uint8(), dimensions // _BITS), nullable=False)
    return [column, signs] if form == "int8" else [column]


def form_of(schema: pa.Schema) -> Form:
    """The form of a table's vectors."""
    found = schema.field(VECTOR).type.value_type
    return next(form for form, value_type in _TYPES.items() if value_type == found)


def dimensions_of(schema: pa.Schema) -> int:
    """How many dimensions a table's vectors have."""
    length = int(schema.field(VECTOR).type.list_size)
    return length * _BITS if form_of(schema) == "binary" else length


def encoded(vectors: Vectors, form: Form) -> dict[str, pa.Array]:
    """The columns for these vectors, of shape (rows, dimensions)."""
    if form == "float32":
        return {VECTOR: _column(np.asarray(vectors, np.float32))}
    if form == "float16":
        return {VECTOR: _column(vectors.astype(np.float16))}
    if form == "binary":
        return {VECTOR: _column(signs(vectors))}
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = vectors * (_LARGEST / np.abs(vectors).max(axis=1, keepdims=True, initial=0))
    rounded = np.nan_to_num(np.rint(scaled)).astype(np.int8)
    # Of what is stored, not of what was given: so that both columns can be held against each other.
    return {VECTOR: _column(rounded), SIGNS: _column(signs(rounded))}


def decoded(column: pa.Array | pa.ChunkedArray) -> Vectors:
    """The vectors of a column, of shape (rows, dimensions).

    Those of int8 and binary have unit length; a row of zeros is NaN. Others are as they are stored,
    without a copy where possible.
    """
    stored = raw(column)
    if stored.dtype == np.uint8:
        bits = np.unpackbits(stored.astype(np.uint8, copy=False), axis=1)
        length = np.float32(1 / np.sqrt(bits.shape[1]))
        return np.where(bits, length, -length)
    plain = np.ascontiguousarray(stored, dtype="<f4")
    if stored.dtype != np.int8:
        return plain
    with np.errstate(invalid="ignore"):
        return cast(Vectors, plain / np.linalg.norm(plain, axis=1, keepdims=True))


def raw(column: pa.Array | pa.ChunkedArray) -> Numbers:
    """A column of vectors as it is stored, one row each."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    flat = whole.flatten().to_numpy(zero_copy_only=False)
    return cast(Numbers, flat.reshape(len(whole), whole.type.list_size))


def signs(vectors: Numbers) -> NDArray[np.uint8]:
    """Which numbers of each row are above 0, eight to a byte."""
    return np.packbits(np.asarray(vectors > 0), axis=1)


def _column(rows: Numbers) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(rows).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
