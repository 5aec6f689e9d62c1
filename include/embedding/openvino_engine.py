"""OpenVINO on the CPU, in full precision: the fastest honest engine without a GPU."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from include.embedding.batches import by_length, padded
from include.embedding.engine import cores
from include.embedding.protocol import FloatArray

# Padded tokens per batch. Between 512 and 2,048 the figures differ by less than their noise.
_BATCH_TOKENS = 1_024


def silent_openvino() -> Any:
    """The openvino package without its telemetry, which would report every import to its vendor.

    OpenVINO has a stub for an installation without `openvino_telemetry`; None means "not there".
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


class OpenVinoEngine:
    """One single-threaded stream per core: batches run beside each other and nothing spins."""

    name = "openvino"

    def __init__(self, file: Path, pad_token: int, dimensions: int) -> None:
        self._pad = pad_token
        self._dimensions = dimensions
        openvino = silent_openvino()
        self._model = openvino.Core().compile_model(
            str(file),
            "CPU",
            {
                "PERFORMANCE_HINT": "THROUGHPUT",
                "NUM_STREAMS": cores(),
                "INFERENCE_NUM_THREADS": cores(),
                # Without this a CPU with bfloat16 units would return other vectors.
                "INFERENCE_PRECISION_HINT": "f32",
            },
        )

    def vectors(self, sequences: Sequence[Sequence[int]]) -> FloatArray:
        """One pooled vector per token sequence, in order."""
        out = np.empty((len(sequences), self._dimensions), dtype=np.float32)
        idle = [self._model.create_infer_request() for _ in range(cores())]
        running: deque[tuple[Any, list[int]]] = deque()
        for batch in by_length([len(sequence) for sequence in sequences], _BATCH_TOKENS):
            request = idle.pop() if idle else self._finished(running, out)
            ids, mask = padded([sequences[position] for position in batch], self._pad)
            request.start_async({"input_ids": ids, "attention_mask": mask})
            running.append((request, batch))
        while running:
            self._finished(running, out)
        return out

    @staticmethod
    def _finished(running: deque[tuple[Any, list[int]]], out: FloatArray) -> Any:
        """Waits for the oldest request, keeps its rows, and gives it back for the next batch.

        Waiting here instead of in callbacks keeps Python off the engine's threads: one that is
        still in a callback when the process ends aborts it.
        """
        request, batch = running.popleft()
        request.wait()
        out[batch] = request.get_output_tensor(0).data
        return request
