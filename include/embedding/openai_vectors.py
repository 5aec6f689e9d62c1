"""Vectors as an OpenAI-compatible API sends them, in calls and in files of batches. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np

from include.embedding.checks import checked, unit
from include.embedding.protocol import EmbedderIdentity, FloatArray
from include.errors import ModelError
from include.remote.endpoint import CONNECTION


def read_vectors(
    rows: Sequence[tuple[Any, ...]], count: int, identity: EmbedderIdentity
) -> FloatArray:
    """Unit vectors in the order of the texts from pairs of index and embedding, base64 or numbers.

    Raises ModelError unless they are `count` usable vectors of this model.
    """
    try:
        ordered = sorted((int(index), row) for index, row in rows)
        if [index for index, _ in ordered] != list(range(len(ordered))):
            raise ValueError("indexes")
        vectors = np.stack([_row(row) for _, row in ordered])
    except (AttributeError, TypeError, ValueError, binascii.Error) as error:
        raise ModelError(
            f"The API sent something else than embeddings ({type(error).__name__}): see that the "
            f"host of connection {CONNECTION} is an OpenAI-compatible API, as in https://server/v1."
        ) from None
    return checked(unit(vectors), count, identity)


def _row(value: Any) -> FloatArray:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value, validate=True), "<f4").astype(np.float32)
    return np.asarray(value, dtype=np.float32)
