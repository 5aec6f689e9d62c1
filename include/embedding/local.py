"""Local embedding models: any sentence-transformers folder, on the fastest honest engine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import numpy as np
from tokenizers import Tokenizer as RustTokenizer

from include.embedding.checks import checked, refuse_empty, unit
from include.embedding.engine import Engine
from include.embedding.models import ModelFolder
from include.embedding.protocol import EmbedderIdentity, FloatArray
from include.embedding.rust_tokenizer import encodable, load_rust
from include.errors import ConfigurationError, ModelError, QueryError
from include.observability.log import warn

_ENGINES: dict[tuple[object, ...], Engine] = {}
_LOADING = Lock()


class LocalEmbedder:
    """Unit vectors of a model on this machine.

    Nothing is loaded before the first text, and a process loads a model once however many
    embedders it makes. fp32 vectors are the same on every engine; int8 has its own identity.
    `export_folder` keeps converted models between processes.
    """

    def __init__(
        self,
        model: ModelFolder,
        *,
        precision: str = "fp32",
        engine: str = "auto",
        export_folder: Path,
    ) -> None:
        if precision == "int8" and engine != "auto":
            raise ConfigurationError(
                f"RAG_EMBEDDER_PRECISION=int8 has an engine of its own; RAG_EMBEDDER_ENGINE "
                f"should be auto with it, is {engine!r}."
            )
        self._model = model
        self._precision = precision
        self._choice = engine
        self._export_folder = export_folder

    @property
    def identity(self) -> EmbedderIdentity:
        """Model, weights and precision; the engine is no part of it."""
        return self._model.identity(self._precision)

    @property
    def engine(self) -> Engine:
        """The engine, loaded (and the model exported for it) on first use."""
        key = (os.getpid(), self._model, self._precision, self._choice, self._export_folder)
        with _LOADING:
            if key not in _ENGINES:
                _ENGINES[key] = self._load()
            return _ENGINES[key]

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors of shape (texts, dimensions), in the order of the texts.

        Raises ModelError for a text without content or above the model's limit: nothing is
        truncated. Give many texts at once: they are batched by length.
        """
        return self._embed(texts, self._model.document_prefix)

    def embed_query(self, text: str) -> FloatArray:
        """The query's unit vector, of shape (dimensions,).

        A question above the model's limit is read up to it: unlike a document's text, what is
        left out loses nothing. Raises QueryError for a query without a token.
        """
        refuse_empty([text])
        ids = self._encoded(self._model.query_prefix, text)
        if len(ids) <= self._empty:
            raise QueryError(
                f"The query has no token that model {self._model.name!r} can see ({text[:20]!r}): "
                f"ask in words."
            )
        if len(ids) > self._model.max_sequence:
            ids = [*ids[: self._model.max_sequence - 1], ids[-1]]
        vector: FloatArray = self._vectors([ids])[0]
        return vector

    def _embed(self, texts: Sequence[str], prefix: str) -> FloatArray:
        if not texts:
            return np.empty((0, self._model.dimensions), dtype=np.float32)
        refuse_empty(texts)
        sequences = [self._tokens(prefix, text, at) for at, text in enumerate(texts)]
        for at, ids in enumerate(sequences):
            self._refuse_long(ids, at)
        return self._vectors(sequences)

    def _vectors(self, sequences: Sequence[Sequence[int]]) -> FloatArray:
        return checked(unit(self.engine.vectors(sequences)), len(sequences), self.identity)

    def _refuse_long(self, ids: Sequence[int], at: int) -> None:
        if len(ids) > self._model.max_sequence:
            raise ModelError(
                f"Text {at} has {len(ids)} tokens with its special tokens, above the limit of "
                f"{self._model.max_sequence} of model {self._model.name!r}; nothing is truncated: "
                f"cut it into smaller chunks."
            )

    def _tokens(self, prefix: str, text: str, at: int) -> list[int]:
        ids = self._encoded(prefix, text)
        if len(ids) <= self._empty:
            raise ModelError(
                f"Text {at} to embed has no token that model {self._model.name!r} can see "
                f"({text[:20]!r}); drop such chunks before they are embedded."
            )
        return ids

    def _encoded(self, prefix: str, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(prefix + encodable(text)).ids
        return ids

    @cached_property
    def _tokenizer(self) -> RustTokenizer:
        return load_rust(self._model.transformer)

    @cached_property
    def _empty(self) -> int:
        return len(self._tokenizer.encode(""))

    def _load(self) -> Engine:
        if self._precision == "int8":
            return _int8(self._model, self._export_folder)
        if self._choice == "torch" or (self._choice == "auto" and gpu_usable()):
            return _torch(self._model)
        return _openvino(self._model, self._export_folder)


def gpu_usable() -> bool:
    """Whether there is an NVIDIA device and a PyTorch built for it; imports neither."""
    return any(Path("/dev").glob("nvidia[0-9]*")) and "+cpu" not in version("torch")


def _torch(model: ModelFolder) -> Engine:
    from include.embedding.torch_engine import TorchEngine

    return TorchEngine(model)


def _openvino(model: ModelFolder, folder: Path) -> Engine:
    """OpenVINO, or PyTorch with a warning where OpenVINO is missing or not equal to it."""
    if find_spec("openvino") is None:
        warn("openvino is not installed; embedding with PyTorch, which takes about a third longer.")
        return _torch(model)
    from include.embedding.export import openvino_file
    from include.embedding.openvino_engine import OpenVinoEngine

    try:
        file = openvino_file(model, folder)
    except ModelError as error:
        warn(f"{error} Embedding {model.name!r} with PyTorch instead.")
        return _torch(model)
    return OpenVinoEngine(file, model.pad_token, model.dimensions)


def _int8(model: ModelFolder, folder: Path) -> Engine:
    if find_spec("onnxruntime") is None or find_spec("onnx") is None:
        raise ModelError(
            "RAG_EMBEDDER_PRECISION=int8 needs onnxruntime and onnx; install both, or set fp32."
        )
    from include.embedding.export import int8_file
    from include.embedding.onnx_engine import OnnxEngine

    return OnnxEngine(int8_file(model, folder))
