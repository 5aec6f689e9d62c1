"""From groups of units to finished spans: exact counts, overlap, heading paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from include.chunking.cutting import right_trimmed
from include.chunking.overlap import overlap_start
from include.chunking.protocol import Tokenizer
from include.chunking.tokens import TokenIndex, is_additive
from include.chunking.units import SECTION, Unit
from include.documents import Block, Span

# A byte-pair token may belong to the white space before a word: planning leaves room for it.
_SLACK = 2


@dataclass(frozen=True, slots=True)
class Budget:
    """The most tokens of a chunk, the most that it repeats, and what may be planned for."""

    tokens: int
    overlap: int
    planned: int

    @classmethod
    def of(cls, tokenizer: Tokenizer, tokens: int, overlap: int = 0) -> Budget:
        """At most `tokens`, at most what the model reads."""
        most = min(tokens, tokenizer.limit)
        return cls(most, overlap, max(1, most - (0 if is_additive(tokenizer) else _SLACK)))


def whole(text: str, blocks: Sequence[Block], index: TokenIndex) -> list[Span]:
    """A document that fits one chunk, as one chunk."""
    start, end = left_trimmed(text, 0), right_trimmed(text, len(text))
    return [Span(start, end, index.count(start, end), HeadingPaths(text, blocks).at(start))]


@dataclass(frozen=True, slots=True)
class Packer:
    """One document being packed."""

    text: str
    blocks: Sequence[Block]
    index: TokenIndex
    budget: Budget

    def spans(self, units: Sequence[Unit], groups: Sequence[tuple[int, int]]) -> list[Span]:
        """One span for each group of units, which is given by its first and last one.

        More than one where the tokenizer counts more tokens than were planned.
        """
        paths = HeadingPaths(self.text, self.blocks)
        spans: list[Span] = []
        previous: Sequence[Unit] = ()
        for first, last in groups:
            members = units[first : last + 1]
            start, end = members[0].start, members[-1].end
            path = paths.at(start)
            tokens = self.index.count(start, end)
            if tokens > self.budget.tokens:
                spans.extend(Span(*part, path) for part in self.fitting(start, end))
            else:
                start, tokens = self._overlapped(previous, members, tokens)
                spans.append(Span(start, end, tokens, path))
            previous = members
        return spans

    def fitting(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Start, end and tokens of a part; halved, at a word if there is one, until it fits."""
        tokens = self.index.count(start, end)
        if tokens <= self.budget.tokens or end - start == 1:
            yield start, end, tokens
            return
        middle = (start + end) // 2
        blank = max(self.text.rfind(white, start, middle) for white in " \n\t")
        middle = blank + 1 if blank > start else middle
        yield from self.fitting(start, right_trimmed(self.text, middle))
        yield from self.fitting(left_trimmed(self.text, middle), end)

    def _overlapped(
        self, previous: Sequence[Unit], members: Sequence[Unit], tokens: int
    ) -> tuple[int, int]:
        """Where the chunk starts with its overlap, and how many tokens it then has."""
        start, end = members[0].start, members[-1].end
        room = min(self.budget.overlap, self.budget.tokens - tokens)
        if room <= 0 or not previous or members[0].strength >= SECTION:
            return start, tokens
        text, index = self.text, self.index
        earliest = index.position(members[0].tokens_start - room)
        earlier = overlap_start(text, previous, start, earliest)
        if earlier == start or index.count(earlier, right_trimmed(text, start)) > room:
            return start, tokens
        together = index.count(earlier, end)
        return (earlier, together) if together <= self.budget.tokens else (start, tokens)


class HeadingPaths:
    """The headings above ascending positions, in one sweep over the blocks."""

    def __init__(self, text: str, blocks: Sequence[Block]) -> None:
        self._text = text
        self._headings = [block for block in blocks if block.kind == "heading"]
        self._next = 0
        self._path: list[tuple[int, str]] = []

    def at(self, position: int) -> tuple[str, ...]:
        """The path at a position that is not before the last one asked for, outermost first."""
        while self._next < len(self._headings) and self._headings[self._next].start <= position:
            heading = self._headings[self._next]
            title = self._text[heading.start : heading.end].strip()
            self._path = [entry for entry in self._path if entry[0] < heading.level]
            self._path.append((heading.level, title))
            self._next += 1
        return tuple(title for _, title in self._path)


def left_trimmed(text: str, start: int) -> int:
    """The first place from `start` on that is no white space; there must be one."""
    while text[start].isspace():
        start += 1
    return start
