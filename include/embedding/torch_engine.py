"""PyTorch through sentence-transformers: the reference, and the engine on a GPU."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from include.embedding.batches import by_length, padded
from include.embedding.engine import cores
from include.embedding.models import ModelFolder
from include.embedding.protocol import FloatArray
from include.errors import ModelError

# Tokens per batch: what stays in a core's cache, and what keeps a GPU busy.
_CPU_TOKENS = 1_024
_GPU_TOKENS = 65_536


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the libraries' progress bars, notices and tracer warnings out of task logs."""
    from transformers.utils import logging as transformers_logging

    loggers = [logging.getLogger(name) for name in ("transformers", "sentence_transformers")]
    levels = [logger.level for logger in loggers]
    transformers_logging.disable_progress_bar()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        transformers_logging.enable_progress_bar()


class TorchEngine:
    """Full precision on a CUDA GPU where PyTorch sees one, else on the CPU."""

    name = "torch"

    def __init__(self, model: ModelFolder, *, device: str | None = None) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._pad = model.pad_token
        try:
            with quiet():
                self.module: Any = SentenceTransformer(
                    str(model.path), device=self.device, local_files_only=True
                ).eval()
        except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
            raise ModelError(
                f"Embedding model {model.name!r} in {model.path} cannot be loaded by "
                f"sentence-transformers ({type(error).__name__}: {error})."
            ) from error

    def vectors(self, sequences: Sequence[Sequence[int]]) -> FloatArray:
        """One pooled vector per token sequence, in order."""
        import torch

        on_cpu = self.device == "cpu"
        lengths = [len(sequence) for sequence in sequences]
        batches = list(by_length(lengths, _CPU_TOKENS if on_cpu else _GPU_TOKENS))
        # One thread per batch: PyTorch's own threads spin while they wait for one another.
        one_thread = partial(torch.set_num_threads, 1) if on_cpu else None
        with ThreadPoolExecutor(cores() if on_cpu else 1, initializer=one_thread) as pool:
            rows = pool.map(lambda batch: self._batch([sequences[at] for at in batch]), batches)
            found = np.concatenate(list(rows))
        out = np.empty_like(found)
        out[list(chain.from_iterable(batches))] = found
        return out

    def _batch(self, sequences: Sequence[Sequence[int]]) -> FloatArray:
        import torch

        ids, mask = padded(sequences, self._pad)
        features = {
            "input_ids": torch.from_numpy(ids).to(self.device),
            "attention_mask": torch.from_numpy(mask).to(self.device),
        }
        with torch.inference_mode():
            pooled = self.module.forward(features)["sentence_embedding"]
        return np.asarray(pooled.float().cpu().numpy(), dtype=np.float32)
