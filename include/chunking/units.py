"""Units: the smallest pieces a chunk is put together from, each within the token budget.

A block that fits is one unit, with the headings above it: no heading is ever parted from what
follows it. A larger block is cut into sentences (prose) or lines (code, tables, lists), those
into groups of words, and a word that is too long into pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from include.chunking.cutting import LINED, cut_block
from include.chunking.tokens import TokenIndex
from include.documents import Block

BLOCK = 3
SECTION = 4


class Unit(NamedTuple):
    """`text[start:end]`, and how many planned tokens lie before its start and before its end.

    `strength` is that of the boundary before it: 0 words, 1 sentences or lines, 2 groups of
    lines, 3 blocks, 4-9 sections (9 the outermost). `body` is where the text below its headings
    starts; `lined` says that it divides at lines.
    """

    start: int
    end: int
    tokens_start: int
    tokens_end: int
    strength: int
    body: int
    lined: bool


def units_of(text: str, blocks: Sequence[Block], index: TokenIndex, budget: int) -> list[Unit]:
    """All units of a document, in order, together covering everything but white space."""
    covering = list(_covering(text, blocks))
    starts = index.before([block.start for block in covering])
    ends = index.before([block.end for block in covering])
    assembly = _Assembly(text, index, budget)
    for block, start, end in zip(covering, starts, ends, strict=True):
        assembly.add(block, start, end)
    assembly.release_headings()
    return assembly.units


def _covering(text: str, blocks: Sequence[Block]) -> Iterator[Block]:
    """The blocks without white space around them; text outside any block becomes paragraphs."""
    at = 0
    for block in blocks:
        if block.start > at and not text[at : block.start].isspace():
            yield from _trimmed(text, Block("paragraph", at, block.start))
        if text[block.start].isspace() or text[block.end - 1].isspace():
            yield from _trimmed(text, block)
        else:
            yield block
        at = block.end
    yield from _trimmed(text, Block("paragraph", at, len(text)))


def _trimmed(text: str, block: Block) -> Iterator[Block]:
    piece = text[block.start : block.end]
    body = piece.strip()
    if body:
        start = block.start + len(piece) - len(piece.lstrip())
        yield Block(block.kind, start, start + len(body), block.level)


class _Assembly:
    """Glues headings to what follows them and cuts what is too large."""

    def __init__(self, text: str, index: TokenIndex, budget: int) -> None:
        self.units: list[Unit] = []
        self._text = text
        self._index = index
        self._budget = budget
        self._headings: list[tuple[Block, int, int]] = []

    def add(self, block: Block, start: int, end: int) -> None:
        """Takes the next block, whose tokens are those from `start` up to `end`."""
        if block.kind != "heading":
            self._add_body(block, start, end)
            return
        if self._headings and block.level <= self._headings[-1][0].level:
            self.release_headings()
        if self._headings and end - self._headings[0][1] > self._budget // 2:
            self.release_headings()
        if end - start > self._budget // 2:
            self._add_body(block, start, end)
        else:
            self._headings.append((block, start, end))

    def release_headings(self) -> None:
        """Headings without text of their own make a unit by themselves."""
        if self._headings:
            (first, start, _), (last, _, end) = self._headings[0], self._headings[-1]
            strength = self._strength(first)
            self._headings.clear()
            self.units.append(Unit(first.start, last.end, start, end, strength, last.end, False))

    def _add_body(self, block: Block, start: int, end: int) -> None:
        head, before = self._headings[0][:2] if self._headings else (block, start)
        strength = self._strength(head)
        self._headings.clear()
        lined = block.kind in LINED
        if end - before <= self._budget:
            self.units.append(
                Unit(head.start, block.end, before, end, strength, block.start, lined)
            )
            return
        pieces = cut_block(
            self._text, block, self._index, self._budget - (start - before), self._budget
        )
        for piece in pieces:
            self.units.append(Unit(*piece, piece.start, lined))
        first = self.units[-len(pieces)]
        self.units[-len(pieces)] = first._replace(
            start=head.start, tokens_start=before, strength=strength
        )

    def _strength(self, block: Block) -> int:
        if block.kind != "heading":
            return BLOCK
        level = min((heading.level for heading, _, _ in self._headings), default=block.level)
        return SECTION + 6 - max(1, min(6, level))
