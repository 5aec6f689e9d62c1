"""What every embedder refuses: texts without content going in, impossible vectors coming out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from include.embedding.protocol import EmbedderIdentity, FloatArray
from include.errors import ModelError

# Unit vectors in float32 come back from any engine within this of length 1.
NORM_TOLERANCE = 1e-3


def refuse_empty(texts: Sequence[str]) -> None:
    """Raises ModelError for a text of nothing but white space: a model would still answer."""
    for position, text in enumerate(texts):
        if not text or text.isspace():
            raise ModelError(
                f"Text {position} of {len(texts)} to embed is empty or only white space "
                f"({text[:20]!r}); drop empty chunks before they are embedded."
            )


def unit(vectors: FloatArray) -> FloatArray:
    """The rows divided by their lengths; a zero row becomes NaN, which `checked` refuses."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def checked(vectors: FloatArray, count: int, identity: EmbedderIdentity) -> FloatArray:
    """The vectors, when they are `count` finite rows of the model's dimensions.

    Rows have unit length where the identity says so. Raises ModelError otherwise.
    """
    expected = (count, identity.dimensions)
    if vectors.shape != expected:
        raise ModelError(
            f"Model {identity.model!r} returned vectors of shape {vectors.shape}, "
            f"expected {expected}; the model folder and its configuration disagree."
        )
    if not np.isfinite(vectors).all():
        raise ModelError(f"Model {identity.model!r} returned vectors with NaN or infinity.")
    if identity.normalised and count:
        worst = float(np.abs(np.linalg.norm(vectors, axis=1) - 1).max())
        if worst > NORM_TOLERANCE:
            raise ModelError(
                f"Model {identity.model!r} returned vectors that are not of unit length "
                f"(off by {worst:.3g}, expected at most {NORM_TOLERANCE})."
            )
    return vectors
