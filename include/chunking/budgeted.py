"""What the strategies share: a budget, an identity, and documents that fit one chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from include.chunking.merging import merged, signatures
from include.chunking.packing import Budget, Packer, whole
from include.chunking.protocol import Tokenizer
from include.chunking.tokens import TokenIndex
from include.chunking.units import Unit
from include.documents import Block, Span


class BudgetedChunker:
    """Cuts what is larger than one chunk into units, and puts neighbouring ones together.

    A strategy says what its units are, or divides in a way of its own. `version` changes whenever
    the same document would be cut in another way.
    """

    version: ClassVar[str]

    def __init__(self, tokenizer: Tokenizer, *, tokens: int, overlap_tokens: int = 0) -> None:
        self._tokenizer = tokenizer
        self._budget = Budget.of(tokenizer, tokens, overlap_tokens)

    @property
    def id(self) -> str:
        """`<version>/<tokens>/<overlap>/<tokenizer>`."""
        return f"{self.version}/{self._budget.tokens}/{self._budget.overlap}/{self._tokenizer.id}"

    def chunk(self, text: str, blocks: Sequence[Block]) -> list[Span]:
        """Spans in order, never blank; together they cover all of `text` but white space."""
        if not text or text.isspace():
            return []
        index = TokenIndex(text, self._tokenizer)
        if index.total <= self._budget.planned:
            return whole(text, blocks, index)
        return self._divided(text, blocks, index)

    def _divided(self, text: str, blocks: Sequence[Block], index: TokenIndex) -> list[Span]:
        units = self._units(text, blocks, index)
        groups = merged(units, self._budget.planned, signatures(text, units))
        return Packer(text, blocks, index, self._budget).spans(units, groups)

    def _units(self, text: str, blocks: Sequence[Block], index: TokenIndex) -> list[Unit]:
        raise NotImplementedError
