"""ONNX Runtime on the CPU, in int8: about half the CPU time, and vectors of their own identity."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from include.embedding.engine import cores
from include.embedding.protocol import FloatArray


class OnnxEngine:
    """Runs every text by itself, one per core.

    Activations are quantised by the range they have in one run: in a batch, a text's vector
    would depend on its neighbours. Alone it does not, needs no padding, and costs no more.
    """

    name = "onnxruntime"

    def __init__(self, file: Path) -> None:
        import onnxruntime

        onnxruntime.set_default_logger_severity(3)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Higher levels fuse the layer norms again, into the slow operator the graph avoids.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )

    def vectors(self, sequences: Sequence[Sequence[int]]) -> FloatArray:
        """One pooled vector per token sequence, in order."""
        with ThreadPoolExecutor(cores()) as pool:
            return np.concatenate(list(pool.map(self._vector, sequences)))

    def _vector(self, sequence: Sequence[int]) -> FloatArray:
        ids = np.asarray([sequence], dtype=np.int32)
        vector: FloatArray = self._session.run(None, {"input_ids": ids})[0]
        return vector
