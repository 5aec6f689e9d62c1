"""The Rust tokenizer of a model folder, asked about whole texts."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tokenizers import Tokenizer as RustTokenizer
from tokenizers import normalizers

from include.errors import ModelError

_SURROGATE = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """The text with U+FFFD in place of each lone surrogate, so that it has a UTF-8 form.

    Offsets stay as they are. Models never see surrogates: WordPiece drops U+FFFD.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


def load_rust(folder: Path) -> RustTokenizer:
    """The folder's `tokenizer.json`, with truncation and padding switched off.

    Lower-cases first where sentence-transformers is told to.
    """
    file = folder / "tokenizer.json"
    try:
        tokenizer = RustTokenizer.from_file(str(file))
    except Exception as error:  # the binding raises bare Exception for every failure
        raise ModelError(
            f"{file} cannot be loaded ({error}); the model folder needs a fast tokenizer."
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if lower_cases(folder):
        inner = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *inner])
    return tokenizer


def lower_cases(folder: Path) -> bool:
    """Whether sentence-transformers lower-cases texts before this model's own rules."""
    files = sorted(folder.glob("sentence_*_config.json"))[:1]
    return any(json.loads(file.read_bytes()).get("do_lower_case") for file in files)


class PlainTokenizer:
    """Asks the model's own tokenizer about every text."""

    def __init__(self, rust: RustTokenizer, identity: str, limit: int) -> None:
        self._rust = rust
        self._id = identity
        self._limit = limit

    @property
    def id(self) -> str:
        """`tokenizer-` and a hash of the tokenizer's file."""
        return self._id

    @property
    def limit(self) -> int:
        """The model's maximum sequence without its special tokens."""
        return self._limit

    def starts(self, text: str) -> list[int]:
        """The character offset at which each token starts, ascending; no special tokens."""
        encoding = self._rust.encode(encodable(text), add_special_tokens=False)
        return [start for start, _ in encoding.offsets]

    def count(self, text: str) -> int:
        """The number of tokens, without special tokens."""
        return len(self._rust.encode(encodable(text), add_special_tokens=False))
