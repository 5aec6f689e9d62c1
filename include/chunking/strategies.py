"""The table of strategies, and the choice among them by media type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from include.chunking.budgeted import BudgetedChunker
from include.chunking.parent import ParentChunker
from include.chunking.protocol import Chunker, Tokenizer
from include.chunking.recursive import RecursiveChunker
from include.chunking.semantic import SemanticChunker, SentenceVectors
from include.chunking.sentences import SentenceChunker
from include.chunking.structure import StructureChunker
from include.chunking.windows import TokenChunker


@dataclass(frozen=True, slots=True)
class Parts:
    """What chunkers are made of: sizes in the tokenizer's tokens, and where vectors come from."""

    tokenizer: Tokenizer
    tokens: int
    overlap_tokens: int
    parent_tokens: int
    vectors: SentenceVectors


def _budgeted(kind: type[BudgetedChunker]) -> Callable[[Parts], Chunker]:
    return lambda parts: kind(
        parts.tokenizer, tokens=parts.tokens, overlap_tokens=parts.overlap_tokens
    )


def _semantic(parts: Parts) -> Chunker:
    return SemanticChunker(parts.tokenizer, parts.vectors, tokens=parts.tokens)


def _parent(parts: Parts) -> Chunker:
    return ParentChunker(
        parts.tokenizer,
        tokens=parts.tokens,
        overlap_tokens=parts.overlap_tokens,
        parent_tokens=parts.parent_tokens,
    )


STRATEGIES: Mapping[str, Callable[[Parts], Chunker]] = {
    "structure": _budgeted(StructureChunker),
    "recursive": _budgeted(RecursiveChunker),
    "tokens": _budgeted(TokenChunker),
    "sentences": _budgeted(SentenceChunker),
    "semantic": _semantic,
    "parent": _parent,
}
"""The names that RAG_CHUNK_STRATEGY knows."""


class ChunkerByMediaType:
    """A chunker for each media type; an index is named by the identity of them all."""

    def __init__(self, default: Chunker, overrides: Mapping[str, Chunker] | None = None) -> None:
        self._default = default
        self._overrides = dict(sorted((overrides or {}).items()))

    @property
    def id(self) -> str:
        """The default's id, then `<media type>=<id>` of each type that has another one."""
        others = {kind: chunker.id for kind, chunker in self._overrides.items()}
        named = [f"{kind}={other}" for kind, other in others.items() if other != self._default.id]
        return " ".join([self._default.id, *named])

    def of(self, media_type: str) -> Chunker:
        """The chunker of documents of this type."""
        return self._overrides.get(media_type, self._default)
