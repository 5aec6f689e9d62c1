"""Exports of a model for other engines: made once, checked against PyTorch, kept on disk.

    <cache>/<model>-<weights>-<engine>-<versions>/   the export, and check.json with the figures

A folder appears whole or not at all. An export that fails its check leaves the figures and the
reason, so that it is not tried again with the same versions.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

from include.documents import digest
from include.embedding.export_check import Comparison, compare
from include.embedding.models import ModelFolder
from include.errors import ModelError
from include.observability.log import report

# Raise it when the way of exporting changes.
_EXPORT = "2"
_CHECK = "check.json"
_UNFINISHED = ".export-"

# Writes an export into a folder and compares it with PyTorch; raises ModelError when it is wrong.
Writer = Callable[[ModelFolder, Path], Comparison]


def openvino_file(model: ModelFolder, cache: Path) -> Path:
    """The model for OpenVINO, equal to PyTorch's but for rounding; exported when there is none."""
    folder = export_once(model, cache, "openvino", write_openvino)
    return folder / "model.xml"


def int8_file(model: ModelFolder, cache: Path) -> Path:
    """The model in int8 for ONNX Runtime; exported when there is none."""
    folder = export_once(model, cache, "onnxruntime", write_int8)
    return folder / "model.onnx"


def write_openvino(model: ModelFolder, folder: Path) -> Comparison:
    """Traces the whole sentence-transformers module, pooling included, at dynamic shapes."""
    from include.embedding.openvino_engine import OpenVinoEngine
    from include.embedding.openvino_export import convert
    from include.embedding.torch_engine import TorchEngine

    torch_engine = TorchEngine(model, device="cpu")
    file = folder / "model.xml"
    convert(torch_engine.module, file)
    candidate = OpenVinoEngine(file, model.pad_token, model.dimensions)
    comparison = compare(model, candidate, lambda: torch_engine)
    comparison.refuse_difference()
    return comparison


def write_int8(model: ModelFolder, folder: Path) -> Comparison:
    """Builds the int8 graph from the weights."""
    from include.embedding import bert_graph
    from include.embedding.onnx_engine import OnnxEngine
    from include.embedding.torch_engine import TorchEngine

    file = folder / "model.onnx"
    bert_graph.write_int8(model.path, file)
    comparison = compare(model, OnnxEngine(file), partial(TorchEngine, model, device="cpu"))
    comparison.refuse_distance()
    return comparison


def export_once(model: ModelFolder, cache: Path, engine: str, write: Writer) -> Path:
    """The folder of an export for `engine`, made by `write` when there is none.

    Raises ModelError when the export was refused, now or earlier, or the cache cannot be written.
    """
    versions = digest(_EXPORT, engine, version(engine), version("transformers"), version("torch"))
    folder = cache / f"{model.name}-{model.weights[:12]}-{engine}-{versions[:8]}"
    try:
        if not (folder / _CHECK).exists():
            with _locked(cache):
                if not (folder / _CHECK).exists():
                    _export(model, folder, engine, write)
    except OSError as error:
        raise ModelError(
            f"The {engine} export of {model.name!r} cannot be kept in {cache} ({error}); "
            f"free some space or point RAG_MODEL_CACHE at a writable folder."
        ) from error
    found = json.loads((folder / _CHECK).read_bytes())
    if found["refused"]:
        raise ModelError(f"{found['refused']} (recorded in {folder / _CHECK})")
    return folder


def _export(model: ModelFolder, folder: Path, engine: str, write: Writer) -> None:
    for unfinished in folder.parent.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_UNFINISHED))
    try:
        check = {"refused": "", **write(model, made).report()}
    except ModelError as error:
        check = {"refused": str(error)}
        shutil.rmtree(made)
        made.mkdir()
    (made / _CHECK).write_text(json.dumps({"engine": engine, **check}, indent=1))
    _settle(made, folder)
    report("export", model=model.name, engine=engine, **check)


def _settle(made: Path, folder: Path) -> None:
    """Moves the export to its place, unless another machine on the same disk was faster."""
    try:
        os.rename(made, folder)
    except OSError:
        if not (folder / _CHECK).exists():
            raise
        shutil.rmtree(made)


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """One export at a time on this machine; the lock goes with the process."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
