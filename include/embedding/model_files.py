"""What the files of a sentence-transformers model folder say, read without loading the model."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.documents import digest
from include.errors import ModelError

_COSMETIC = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")
_OLD_POOLING = "pooling_mode_"
_POOLING_NAMES = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean_tokens": "weightedmean",
    "lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which modules a folder has: their kinds, where each one's files are, and its settings."""

    kinds: tuple[str, ...]
    folders: tuple[Path, ...]
    settings: tuple[Mapping[str, Any], ...]

    @property
    def transformer(self) -> Path:
        """The folder with the weights' configuration and the tokenizer."""
        return self.folders[0]


def read_json(file: Path) -> Any:
    """The parsed file, `{}` when there is none. Raises ModelError for a damaged one."""
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{file} cannot be read as JSON ({error}); download the model again."
        ) from error


def read_layout(folder: Path) -> Layout:
    """The modules that `modules.json` lists. Raises ModelError unless a transformer comes first."""
    modules = read_json(folder / "modules.json") or []
    kinds = tuple(str(module["type"]).rsplit(".", 1)[-1] for module in modules)
    if kinds[:1] != ("Transformer",) or "Pooling" not in kinds:
        found = ", ".join(kinds) or "no modules.json"
        raise ModelError(
            f"{folder} is not a sentence-transformers model of a Transformer and a Pooling "
            f"module (found: {found}); name another model in RAG_EMBEDDER."
        )
    folders = tuple(folder / module["path"] for module in modules)
    settings = tuple(
        _transformer_settings(place) if kind == "Transformer" else read_json(place / "config.json")
        for kind, place in zip(kinds, folders, strict=True)
    )
    return Layout(kinds, folders, settings)


def _transformer_settings(folder: Path) -> dict[str, Any]:
    for file in sorted(folder.glob("sentence_*_config.json")):
        found: dict[str, Any] = read_json(file)
        return found
    return {}


def pooling_modes(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """How token vectors become one, from either form of the pooling's settings."""
    chosen = settings.get("pooling_mode")
    if chosen:
        return (chosen,) if isinstance(chosen, str) else tuple(chosen)
    old = (key for key, active in settings.items() if key.startswith(_OLD_POOLING) and active)
    return tuple(_POOLING_NAMES[key.removeprefix(_OLD_POOLING)] for key in old) or ("mean",)


def dimensions(layout: Layout) -> int:
    """The length of the vectors: the pooling's, or that of the last dense layer behind it."""
    size = 0
    for kind, settings in zip(layout.kinds, layout.settings, strict=True):
        if kind == "Pooling":
            width = settings.get("embedding_dimension") or settings["word_embedding_dimension"]
            size = int(width) * len(pooling_modes(settings))
        elif kind == "Dense":
            size = int(settings["out_features"])
    return size


def max_sequence(layout: Layout) -> int:
    """The most tokens the model reads, its special tokens included."""
    if layout.settings[0].get("max_seq_length"):
        return int(layout.settings[0]["max_seq_length"])
    tokenizer = read_json(layout.transformer / "tokenizer_config.json")
    positions = read_json(layout.transformer / "config.json").get("max_position_embeddings")
    known = [limit for limit in (tokenizer.get("model_max_length"), positions) if limit]
    if not known:
        raise ModelError(
            f"{layout.transformer} does not say how many tokens the model reads; "
            f"add max_seq_length to sentence_bert_config.json."
        )
    return int(min(known))


def fingerprint(folder: Path, layout: Layout, hashes: Path) -> str:
    """A hash of all that decides a vector: weights, tokenizer, architecture and modules.

    Hashes of weight files are kept in `hashes` (JSON), by path, size and modification time.
    """
    files = [file for place in layout.folders for file in sorted(place.glob("*.safetensors"))]
    if not files:
        raise ModelError(
            f"{folder} has no weights (*.safetensors); download the model again or convert it."
        )
    config = read_json(layout.transformer / "config.json")
    rules = {key: value for key, value in config.items() if key not in _COSMETIC}
    structure = [layout.kinds, [dict(settings) for settings in layout.settings], rules]
    tokenizer = (layout.transformer / "tokenizer.json").read_bytes()
    weights = _file_hashes(files, hashes)
    return digest("model", *weights, json.dumps(structure, sort_keys=True), tokenizer)


def _file_hashes(files: list[Path], hashes: Path) -> list[str]:
    known = read_json(hashes) if hashes.exists() else {}
    found = {}
    for file in files:
        status = file.stat()
        stamp = f"{file.resolve()}|{status.st_size}|{status.st_mtime_ns}"
        found[stamp] = known.get(stamp) or _sha256(file)
    if not found.keys() <= known.keys():
        _write_json(hashes, known | found)
    return list(found.values())


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Replaces the file at once; without a writable folder the hash is simply computed again."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as stream:
            json.dump(content, stream, indent=1)
        os.replace(stream.name, file)
    except OSError:
        return
