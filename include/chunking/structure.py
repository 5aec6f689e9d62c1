"""The default strategy: structure first, then the token budget, with boundaries that stay."""

from __future__ import annotations

from collections.abc import Sequence

from include.chunking.budgeted import BudgetedChunker
from include.chunking.tokens import TokenIndex
from include.chunking.units import Unit, units_of
from include.documents import Block


class StructureChunker(BudgetedChunker):
    """Cuts at sections, then blocks, then sentences, then words, within a token budget.

    No chunk exceeds `tokens` (or the model's limit) by the tokenizer's own count. Code and tables
    that fit are whole, a heading stays with what follows it, and a chunk spans two sections only
    when one of them is tiny; its heading path is that of its first character. Overlap repeats
    whole sentences or lines of the chunk before, inside a section, where the budget has room.
    """

    version = "structure-2"

    def _units(self, text: str, blocks: Sequence[Block], index: TokenIndex) -> list[Unit]:
        return units_of(text, blocks, index, self._budget.planned)
