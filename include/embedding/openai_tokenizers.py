"""Token counts of OpenAI's models, by tiktoken."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from include.embedding.rust_tokenizer import encodable
from include.errors import ModelError

if TYPE_CHECKING:
    from tiktoken import Encoding

# Every OpenAI embedding model reads at most 8,191 tokens of one input.
INPUT_LIMIT = 8191


class TiktokenTokenizer:
    """Byte-pair tokens of one encoding; special tokens in a text count as ordinary text."""

    def __init__(self, encoding: Encoding, limit: int = INPUT_LIMIT) -> None:
        self._encoding = encoding
        self._limit = limit

    @property
    def id(self) -> str:
        """`tiktoken-` and the encoding's name."""
        return f"tiktoken-{self._encoding.name}"

    @property
    def limit(self) -> int:
        """The most tokens of one input."""
        return self._limit

    def starts(self, text: str) -> list[int]:
        """The character offset at which each token starts, ascending.

        A token that starts inside a character has that character's offset.
        """
        raw = encodable(text).encode()
        tokens = self._encoding.encode_ordinary(raw.decode())
        lengths = self._byte_lengths[np.asarray(tokens, dtype=np.int64)]
        at = np.cumsum(lengths) - lengths
        if len(raw) != len(text):
            leads = (np.frombuffer(raw, dtype=np.uint8) & 0xC0) != 0x80
            at = (np.cumsum(leads) - 1)[at]
        starts: list[int] = at.tolist()
        return starts

    def count(self, text: str) -> int:
        """The number of tokens."""
        return len(self._encoding.encode_ordinary(encodable(text)))

    @cached_property
    def _byte_lengths(self) -> NDArray[np.int64]:
        lengths = np.zeros(self._encoding.n_vocab, dtype=np.int64)
        for token in self._encoding.token_byte_values():
            lengths[self._encoding.encode_single_token(token)] = len(token)
        return lengths


def tiktoken_for(model: str, limit: int = INPUT_LIMIT) -> TiktokenTokenizer:
    """The tokenizer of an OpenAI model. Raises ModelError for an unknown model or without ranks."""
    import tiktoken

    try:
        name = tiktoken.encoding_name_for_model(model)
    except KeyError as error:
        raise ModelError(
            f"tiktoken knows no encoding for the OpenAI model {model!r}; check the name "
            f"(for example text-embedding-3-small), upgrade tiktoken, or name a tokenizer in the "
            f"extra of connection openai_default: an encoding, or a folder with tokenizer.json."
        ) from error
    return tiktoken_named(name, limit)


def tiktoken_named(name: str, limit: int = INPUT_LIMIT) -> TiktokenTokenizer:
    """The tokenizer of an encoding such as cl100k_base. Raises ModelError without its ranks."""
    import requests
    import tiktoken

    try:
        return TiktokenTokenizer(tiktoken.get_encoding(name), limit)
    except ValueError as error:
        raise ModelError(
            f"There is no tiktoken encoding {name!r}; there are "
            f"{', '.join(tiktoken.list_encoding_names())}."
        ) from error
    except (requests.RequestException, OSError) as error:
        raise ModelError(
            f"The token ranks of the encoding {name!r} cannot be downloaded "
            f"({type(error).__name__}); set TIKTOKEN_CACHE_DIR to a folder that holds them."
        ) from error
