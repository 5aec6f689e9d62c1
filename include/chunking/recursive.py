"""The strategy `recursive`: by blank lines, then lines, then sentences, then words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from include.chunking.merging import merged, signatures
from include.chunking.packing import Budget, Packer, whole
from include.chunking.protocol import Tokenizer
from include.chunking.tokens import TokenIndex
from include.chunking.units import units_of
from include.documents import Block, Span

_VERSION = "recursive-1"
_BLANK_LINE = re.compile(r"\n[ \t]*\n\s*")


class RecursiveChunker:
    """Cuts the bare text at its white space, whatever the parser found in it.

    A paragraph, then a line, then a sentence is cut only when it is too large, and what is small
    comes together again, the innermost first. Headings and blocks do not matter; the heading path
    is that of the first character. Overlap repeats whole lines.
    """

    def __init__(self, tokenizer: Tokenizer, *, tokens: int, overlap_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._budget = Budget.of(tokenizer, tokens, overlap_tokens)

    @property
    def id(self) -> str:
        """`recursive-1/<tokens>/<overlap>/<tokenizer>`."""
        return f"{_VERSION}/{self._budget.tokens}/{self._budget.overlap}/{self._tokenizer.id}"

    def chunk(self, text: str, blocks: Sequence[Block]) -> list[Span]:
        """Spans in order, never blank; together they cover all of `text` but white space."""
        if not text or text.isspace():
            return []
        index, planned = TokenIndex(text, self._tokenizer), self._budget.planned
        if index.total <= planned:
            return whole(text, blocks, index)
        units = units_of(text, list(_paragraphs(text)), index, planned)
        groups = merged(units, planned, signatures(text, units))
        return Packer(text, blocks, index, self._budget).spans(units, groups)


def _paragraphs(text: str) -> Iterator[Block]:
    """The parts between blank lines, as blocks that divide at their lines."""
    start = 0
    for found in _BLANK_LINE.finditer(text):
        if found.start() > start:
            yield Block("list", start, found.start())
        start = found.end()
    if start < len(text):
        yield Block("list", start, len(text))
