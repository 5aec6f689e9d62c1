"""One pass over a document's tokens, from which every span's count follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from include.chunking.protocol import Tokenizer

LONGEST_TOKEN = 64
_WHITE = " \n\t\r"


class TokenIndex:
    """Where the tokens of `text` start; counts tokens between any two characters.

    Planned counts also count one token per 64 characters without any, so that neither a megabyte
    of base64 (one unknown word to WordPiece) nor of blanks ends up in one chunk.
    """

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        self._text = text
        self._tokenizer = tokenizer
        self._real = np.asarray(tokenizer.starts(text), dtype=np.int64)
        self._planned = _with_long_tokens_divided(self._real, len(text))
        self._additive = is_additive(tokenizer)
        self.total = len(self._planned)

    @property
    def planned(self) -> NDArray[np.int64]:
        """The character offset of every planned token, ascending."""
        return self._planned

    def before(self, positions: Sequence[int]) -> list[int]:
        """For each character offset, how many planned tokens start before it."""
        counted: list[int] = np.searchsorted(self._planned, positions).tolist()
        return counted

    def position(self, token: int) -> int:
        """The character offset of a planned token; the end of the text behind the last one."""
        return int(self._planned[token]) if token < len(self._planned) else len(self._text)

    def count(self, start: int, end: int) -> int:
        """What the model will make of `text[start:end]`, exactly."""
        if self._additive and self._is_clean(start) and self._is_clean(end):
            return int(self._real.searchsorted(end) - self._real.searchsorted(start))
        return self._tokenizer.count(self._text[start:end])

    def _is_clean(self, at: int) -> bool:
        """No word is cut at `at`."""
        text = self._text
        return at in (0, len(text)) or text[at - 1] in _WHITE or text[at] in _WHITE


def is_additive(tokenizer: Tokenizer) -> bool:
    """Whether cutting at white space leaves the tokens on both sides as they were.

    WordPiece says so by an attribute `additive = True` beside the protocol. Byte-pair encodings,
    whose tokens begin with the blank before a word, do not: their chunks are counted one by one.
    """
    return bool(getattr(tokenizer, "additive", False))


def _with_long_tokens_divided(starts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    edges = np.empty(len(starts) + 2, np.int64)
    edges[0], edges[1:-1], edges[-1] = 0, starts, length
    gaps = edges[1:] - edges[:-1]
    if gaps.max() <= LONGEST_TOKEN:
        return starts
    long = np.flatnonzero(gaps > LONGEST_TOKEN)
    extra = [np.arange(edges[i] + LONGEST_TOKEN, edges[i + 1], LONGEST_TOKEN) for i in long]
    return np.sort(np.concatenate([starts, *extra]))
