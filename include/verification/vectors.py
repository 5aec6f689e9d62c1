"""Vectors as they lie in a table, and what makes one sound. Pure."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.embedding.checks import NORM_TOLERANCE
from include.embedding.protocol import FloatArray

# The same text, embedded twice in different company, differs by rounding, or by a little more where
# int8 scales follow the batch. Vectors of two texts are further apart than this.
SAME_TEXT = 0.98


def matrix(column: pa.Array | pa.ChunkedArray) -> FloatArray:
    """A column of vectors as an array of shape (rows, dimensions), without a copy where possible."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    flat = whole.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat.reshape(len(whole), whole.type.list_size), dtype="<f4")


def soundness(vectors: FloatArray) -> NDArray[np.bool_]:
    """For each row, whether it is finite and of unit length."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        # NaN and infinity are not within the tolerance of anything.
        return np.asarray(np.abs(norms - 1) <= NORM_TOLERANCE)


def alike(one: FloatArray, other: FloatArray) -> NDArray[np.bool_]:
    """For each pair of unit rows, whether they can be vectors of the same text."""
    return np.asarray(np.einsum("ij,ij->i", one, other, dtype=np.float64) >= SAME_TEXT)
