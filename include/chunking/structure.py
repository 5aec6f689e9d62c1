"""The default strategy: structure first, then the token budget, with boundaries that stay."""

from __future__ import annotations

from collections.abc import Sequence

from include.chunking.merging import merged, signatures
from include.chunking.packing import Budget, Packer, whole
from include.chunking.protocol import Tokenizer
from include.chunking.tokens import TokenIndex
from include.chunking.units import units_of
from include.documents import Block, Span

_VERSION = "structure-2"


class StructureChunker:
    """Cuts at sections, then blocks, then sentences, then words, within a token budget.

    No chunk exceeds `tokens` (or the model's limit) by the tokenizer's own count. Code and tables
    that fit are whole, a heading stays with what follows it, and a chunk spans two sections only
    when one of them is tiny; its heading path is that of its first character. Overlap repeats
    whole sentences or lines of the chunk before, inside a section, where the budget has room.
    """

    def __init__(self, tokenizer: Tokenizer, *, tokens: int, overlap_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._budget = Budget.of(tokenizer, tokens, overlap_tokens)

    @property
    def id(self) -> str:
        """`structure-2/<tokens>/<overlap>/<tokenizer>`."""
        return f"{_VERSION}/{self._budget.tokens}/{self._budget.overlap}/{self._tokenizer.id}"

    def chunk(self, text: str, blocks: Sequence[Block]) -> list[Span]:
        """Spans in order, never blank; together they cover all of `text` but white space."""
        if not text or text.isspace():
            return []
        index, planned = TokenIndex(text, self._tokenizer), self._budget.planned
        if index.total <= planned:
            return whole(text, blocks, index)
        units = units_of(text, blocks, index, planned)
        groups = merged(units, planned, signatures(text, units))
        return Packer(text, blocks, index, self._budget).spans(units, groups)
