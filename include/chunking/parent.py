"""The strategy `parent`: small chunks to search, the section around them to answer from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf

from include.chunking.merging import merged, signatures
from include.chunking.packing import left_trimmed
from include.chunking.protocol import Tokenizer
from include.chunking.structure import StructureChunker
from include.chunking.units import BLOCK, SECTION, Unit
from include.documents import Block, Span

_VERSION = "parent-1"
_GAP_TOKENS = 2
"""What the white space between two chunks may take where it makes tokens of its own."""


class ParentChunker:
    """The chunks of `structure`, each with its section, or the part of it that fits.

    A context holds whole chunks and at most `parent_tokens` tokens; it spans two sections only
    when one of them is tiny. Chunks beside each other share it. Their texts are those that
    `structure` makes with the same budget, so going from one to the other embeds nothing.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, tokens: int, overlap_tokens: int, parent_tokens: int
    ) -> None:
        self._children = StructureChunker(tokenizer, tokens=tokens, overlap_tokens=overlap_tokens)
        self._parent_tokens = parent_tokens

    @property
    def id(self) -> str:
        """`parent-1/<tokens of a context>/<the id of structure>`."""
        return f"{_VERSION}/{self._parent_tokens}/{self._children.id}"

    def chunk(self, text: str, blocks: Sequence[Block]) -> list[Span]:
        """The spans of `structure`, each with its context where that is more than itself."""
        spans = self._children.chunk(text, blocks)
        units = list(_as_units(text, blocks, spans))
        groups = merged(units, self._parent_tokens, signatures(text, units), anchored=inf)
        return [
            replace(span, context=(spans[first].start, spans[last].end)) if last > first else span
            for first, last in groups
            for span in spans[first : last + 1]
        ]


def _as_units(text: str, blocks: Sequence[Block], spans: Sequence[Span]) -> Iterator[Unit]:
    """Chunks as units of something larger, counted with their overlap: a little too much."""
    levels = {block.start: block.level for block in blocks if block.kind == "heading"}
    end = tokens = 0
    for span in spans:
        level = levels.get(span.start)
        strength = BLOCK if level is None else SECTION + 6 - max(1, min(6, level))
        start = left_trimmed(text, max(span.start, end))
        counted = tokens + span.tokens + _GAP_TOKENS
        yield Unit(start, span.end, tokens, counted, strength, start, False)
        end, tokens = span.end, counted
