"""The strategy `tokens`: windows of equal length, whatever the text is.

Counting windows from the top would move all of them below an insertion. Here the text is divided
at anchors first: words whose hash is greater than any other for half a window around. From there
windows are full, the last two before the next anchor share what is left. An edit changes windows
up to the next anchor, seldom further: two on average, and 1 edit in 20 more than three.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from include.chunking.budgeted import BudgetedChunker
from include.chunking.cutting import right_trimmed
from include.chunking.packing import HeadingPaths, Packer, left_trimmed
from include.chunking.tokens import TokenIndex
from include.documents import Block, Span

_SEEN_CHARACTERS = 16

Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]


class TokenChunker(BudgetedChunker):
    """Cuts at words, into windows of half a budget to a whole one that repeat `overlap_tokens`.

    Sentences, blocks and sections do not matter. The heading path is that of the first character.
    """

    version = "tokens-1"

    def _divided(self, text: str, blocks: Sequence[Block], index: TokenIndex) -> list[Span]:
        packer = Packer(text, blocks, index, self._budget)
        size = max(1, self._budget.planned - self._budget.overlap)
        paths = HeadingPaths(text, blocks)
        spans: list[Span] = []
        for start, end in _windows(text, index, size):
            if not text[start:end].strip():
                continue
            earlier = self._overlapped(packer, start, end, spans[-1].start if spans else start)
            spans += [Span(*part, paths.at(part[0])) for part in packer.fitting(*earlier)]
        return spans

    def _overlapped(self, packer: Packer, start: int, end: int, after: int) -> tuple[int, int]:
        """The window without white space around it, begun `overlap` tokens earlier if it can be."""
        text, index = packer.text, packer.index
        start, end = left_trimmed(text, start), right_trimmed(text, end)
        room = min(self._budget.overlap, index.before([start])[0])
        earlier = index.position(index.before([start])[0] - room)
        blank = next((at for at in range(earlier, start) if text[at].isspace()), start)
        earlier = left_trimmed(text, blank)
        if not after < earlier < start or index.count(earlier, end) > self._budget.tokens:
            return start, end
        return earlier, end


def _windows(text: str, index: TokenIndex, size: int) -> Iterator[tuple[int, int]]:
    """Start and end of each window of at most `size` planned tokens, without gaps."""
    tokens = index.planned
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    begins_word = _begins_word(codes, tokens)
    anchors = _anchors(codes, tokens, begins_word, max(1, size // 2))
    words = np.flatnonzero(begins_word)
    cuts = [0]
    for first, end in pairwise([0, *anchors, len(tokens)]):
        cuts += [int(tokens[at]) for at in _full(first, end, size, words)]
        cuts.append(int(tokens[end]) if end < len(tokens) else len(text))
    yield from pairwise(cuts)


def _full(first: int, end: int, size: int, words: Numbers) -> Iterator[int]:
    """Tokens that divide `[first, end)` into full windows, at words if there are any near."""
    while end - first > size:
        ideal = first + size if end - first > 2 * size else (first + end + 1) // 2
        before = int(words.searchsorted(ideal, side="right"))
        word = int(words[before - 1]) if before else 0
        first = word if word > (first + ideal) // 2 else ideal
        yield first


def _begins_word(codes: NDArray[np.uint32], tokens: Numbers) -> NDArray[np.bool_]:
    """Which tokens stand behind white space."""
    white = np.isin(codes, [ord(white) for white in " \n\t\r\u00a0\u3000"])
    return (tokens > 0) & white[np.maximum(tokens - 1, 0)] & ~white[tokens]


def _anchors(
    codes: NDArray[np.uint32], tokens: Numbers, begins_word: NDArray[np.bool_], reach: int
) -> list[int]:
    """The tokens whose hash is greater than any other within `reach`; words before other tokens."""
    hashes = _hashes(codes, tokens) >> np.uint64(1)
    hashes |= begins_word.astype(np.uint64) << np.uint64(63)
    most = _sliding_maximum(hashes, reach)
    padded = np.concatenate([np.zeros(reach, np.uint64), most, np.zeros(reach, np.uint64)])
    before, behind = padded[: len(hashes)], padded[reach + 1 : reach + 1 + len(hashes)]
    found: list[int] = np.flatnonzero((hashes > before) & (hashes > behind)).tolist()
    return [at for at in found if reach <= at <= len(hashes) - reach]


def _hashes(codes: NDArray[np.uint32], tokens: Numbers) -> Hashes:
    """64 bits of the characters behind each token's start."""
    padded = np.concatenate([codes, np.zeros(_SEEN_CHARACTERS, np.uint32)]).astype(np.uint64)
    found = np.zeros(len(tokens), np.uint64)
    for at in range(_SEEN_CHARACTERS):
        found = (found ^ padded[tokens + at]) * np.uint64(0x100000001B3)
        found ^= found >> np.uint64(29)
    return found


def _sliding_maximum(values: Hashes, width: int) -> Hashes:
    """The greatest of `values[at:at + width]` for each `at`, in linear time (van Herk 1992)."""
    short = -len(values) % width + width
    rows = np.concatenate([values, np.zeros(short, np.uint64)]).reshape(-1, width)
    ahead = np.maximum.accumulate(rows, axis=1).ravel()
    back = np.maximum.accumulate(rows[:, ::-1], axis=1)[:, ::-1].ravel()
    at = np.arange(len(values))
    return np.maximum(back[at], ahead[at + width - 1])
