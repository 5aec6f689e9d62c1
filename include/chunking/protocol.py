"""The seams of chunking: what counts tokens, and what cuts documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from include.documents import Block, Span


class Tokenizer(Protocol):
    """Counts tokens exactly as the embedding model will."""

    @property
    def id(self) -> str:
        """Names the vocabulary and its rules, for the chunker's identity."""
        ...

    @property
    def limit(self) -> int:
        """The most tokens of text the model reads, without its special tokens."""
        ...

    def starts(self, text: str) -> Sequence[int]:
        """The character offset at which each token of `text` starts, ascending."""
        ...

    def count(self, text: str) -> int:
        """How many tokens the model makes of `text`, without its special tokens."""
        ...


class Chunker(Protocol):
    """Cuts a document into spans; the same input always gives the same spans."""

    @property
    def id(self) -> str:
        """Algorithm, version, parameters and tokenizer: another id means another index."""
        ...

    def chunk(self, text: str, blocks: Sequence[Block]) -> list[Span]:
        """Spans in order; their union covers all of `text` but white space between blocks."""
        ...
