"""Cuts a block that is larger than a chunk: at lines or sentences, then words, then anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from zlib import crc32

from include.chunking.tokens import TokenIndex
from include.documents import Block

WORDS, SENTENCES, LINE_GROUPS = 0, 1, 2
LINED = frozenset(("code", "table", "list"))

_LINE_END = re.compile(r"\n\s*")
_SENTENCE_END = re.compile(
    r"[.!?…。！？](?:"
    r"(?<=[。！？])\s*+"
    r"|(?<=\s.)\s++"  # tokenised text: "the end . the next"
    r"|[\"'”’)\]]*+\s++(?![a-z]))"  # "the end. The next", but not "approx. five"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Dr|Mr|Mrs|Ms|Prof|St|Figs?|Eqs?|Nos?|Vol|Ref|Refs|pp|al|vs|cf|ca|e\.g|i\.e)\.$"
)
_WORD_END = re.compile(r"\s+")
_NO_SPACE = re.compile(r"\S")


class Piece(NamedTuple):
    """`text[start:end]`, its planned tokens, and the strength of the boundary before it."""

    start: int
    end: int
    tokens_start: int
    tokens_end: int
    strength: int


def sentence_starts(text: str, start: int, end: int) -> Iterator[int]:
    """Where sentences start inside `text[start:end]`, its own start left out."""
    for found in _SENTENCE_END.finditer(text, start, end):
        stop = found.start() + 1
        if found.end() < end and not _ABBREVIATION.search(text, max(start, stop - 7), stop):
            yield found.end()


def line_starts(text: str, start: int, end: int) -> Iterator[int]:
    """Where lines start inside `text[start:end]`, its own start left out."""
    for found in _LINE_END.finditer(text, start, end):
        if found.end() < end:
            yield found.end()


def cut_block(
    text: str, block: Block, index: TokenIndex, first_budget: int, budget: int
) -> list[Piece]:
    """Pieces of a block, each within the budget, the first one within `first_budget`."""
    pieces = _counted(index, [block.start], [block.end], [SENTENCES])
    for level in (_line_cuts, _sentence_cuts) if block.kind in LINED else (_sentence_cuts,):
        cut: list[Piece] = []
        for piece in pieces:
            allowed = first_budget if piece.start == block.start else budget
            fits = piece.tokens_end - piece.tokens_start <= allowed
            cut.extend([piece] if fits else _divided(text, piece, index, level(text, piece)))
        pieces = cut
    words: list[Piece] = []
    for piece in pieces:
        allowed = first_budget if piece.start == block.start else budget
        fits = piece.tokens_end - piece.tokens_start <= allowed
        cuts = [] if fits else _word_cuts(text, piece, index, allowed)
        words.extend([piece] if fits else _divided(text, piece, index, cuts))
    return words


def _counted(
    index: TokenIndex, starts: list[int], ends: list[int], strengths: list[int]
) -> list[Piece]:
    counts = zip(index.before(starts), index.before(ends), strict=True)
    return [
        Piece(start, end, before, after, strength)
        for start, end, (before, after), strength in zip(
            starts, ends, counts, strengths, strict=True
        )
    ]


def _divided(
    text: str, piece: Piece, index: TokenIndex, cuts: Iterable[tuple[int, int]]
) -> list[Piece]:
    """The piece cut at each position, with its strength; white space goes to neither side."""
    starts, strengths, ends = [piece.start], [piece.strength], []
    for cut, strength in cuts:
        ends.append(right_trimmed(text, cut))
        starts.append(cut)
        strengths.append(strength)
    ends.append(piece.end)
    return _counted(index, starts, ends, strengths)


def right_trimmed(text: str, end: int) -> int:
    """The end of the text before `end`, behind its last character that is no white space."""
    while text[end - 1].isspace():
        end -= 1
    return end


def _line_cuts(text: str, piece: Piece) -> Iterator[tuple[int, int]]:
    for cut in line_starts(text, piece.start, piece.end):
        blank = text.count("\n", right_trimmed(text, cut), cut) > 1
        yield cut, LINE_GROUPS if blank else SENTENCES


def _sentence_cuts(text: str, piece: Piece) -> Iterator[tuple[int, int]]:
    return ((cut, SENTENCES) for cut in sentence_starts(text, piece.start, piece.end))


def _word_cuts(
    text: str, piece: Piece, index: TokenIndex, budget: int
) -> Iterator[tuple[int, int]]:
    """Groups of a twelfth to a quarter of the budget, begun at words that their spelling chooses."""
    smallest, largest = max(1, budget // 12), max(1, budget // 4)
    at, last = piece.start, piece.tokens_start
    while piece.tokens_end - last > largest:
        low, high = index.position(last + smallest), index.position(last + largest)
        gaps = [found.end() for found in _WORD_END.finditer(text, max(at, low - 1), high)]
        gaps = [gap for gap in gaps if not text[gap].isspace()]
        if gaps:
            at = min(gaps, key=lambda gap: (_spelling(text, gap), gap))
        else:
            at = _next_word(text, max(at + 1, high))
        last = index.before([at])[0]
        if at < piece.end:
            yield at, WORDS


def _next_word(text: str, at: int) -> int:
    """The first place from `at` on that is no white space."""
    found = _NO_SPACE.search(text, at)
    return found.start() if found else len(text)


def _spelling(text: str, at: int) -> int:
    return crc32(text[at : at + 12].split(maxsplit=1)[0].encode("utf-8", "surrogatepass"))
