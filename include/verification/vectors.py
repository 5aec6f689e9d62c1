"""What makes a vector sound, and two vectors those of one text. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from include.embedding.checks import NORM_TOLERANCE
from include.embedding.protocol import FloatArray
from include.storage.vector_forms import VECTOR, Form, decoded, encoded

# The same text, embedded twice in different company, differs by rounding, or by a little more where
# int8 scales follow the batch. Vectors of two texts are further apart than this.
SAME_TEXT = 0.98
# Of vectors at that angle, 6.4 % of the signs differ: this is the cosine that is left of signs.
_SAME_SIGNS = 1 - 2 * float(np.arccos(SAME_TEXT)) / np.pi


def soundness(vectors: FloatArray) -> NDArray[np.bool_]:
    """For each row, whether it is finite and of unit length."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        # NaN and infinity are not within the tolerance of anything.
        return np.asarray(np.abs(norms - 1) <= NORM_TOLERANCE)


def alike(stored: FloatArray, given: FloatArray, form: Form) -> NDArray[np.bool_]:
    """For each pair of rows, whether the stored one can be the given one of the same text.

    `stored` was decoded from this form; `given` are the vectors themselves.
    """
    expected = decoded(encoded(given, form)[VECTOR])
    likeness = np.einsum("ij,ij->i", stored, expected, dtype=np.float64)
    return np.asarray(likeness >= (_SAME_SIGNS if form == "binary" else SAME_TEXT))
