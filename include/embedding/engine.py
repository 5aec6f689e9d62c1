"""The seam between an embedder and the library that computes its vectors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from include.embedding.protocol import FloatArray


class Engine(Protocol):
    """Runs a model on token sequences."""

    @property
    def name(self) -> str:
        """The library: openvino, onnxruntime or torch."""
        ...

    def vectors(self, sequences: Sequence[Sequence[int]]) -> FloatArray:
        """One pooled vector per sequence of token ids (special tokens included), in order.

        Vectors need not have unit length. There is at least one sequence, none of them empty.
        """
        ...


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
