"""The strategy `recursive`: by blank lines, then lines, then sentences, then words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from include.chunking.budgeted import BudgetedChunker
from include.chunking.tokens import TokenIndex
from include.chunking.units import Unit, units_of
from include.documents import Block

_BLANK_LINE = re.compile(r"\n[ \t]*\n\s*")


class RecursiveChunker(BudgetedChunker):
    """Cuts the bare text at its white space, whatever the parser found in it.

    A paragraph, then a line, then a sentence is cut only when it is too large, and what is small
    comes together again, the innermost first. Headings and blocks do not matter; the heading path
    is that of the first character. Overlap repeats whole lines.
    """

    version = "recursive-1"

    def _units(
        self,
        text: str,
        blocks: Sequence[Block],  # noqa: ARG002 - the bare text decides
        index: TokenIndex,
    ) -> list[Unit]:
        return units_of(text, list(_paragraphs(text)), index, self._budget.planned)


def _paragraphs(text: str) -> Iterator[Block]:
    """The parts between blank lines, as blocks that divide at their lines."""
    start = 0
    for found in _BLANK_LINE.finditer(text):
        if found.start() > start:
            yield Block("list", start, found.start())
        start = found.end()
    if start < len(text):
        yield Block("list", start, len(text))
