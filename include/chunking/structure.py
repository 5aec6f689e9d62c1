"""The chunker: structure first, then the token budget, with boundaries that stay where they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from include.chunking.cutting import right_trimmed
from include.chunking.merging import merged
from include.chunking.overlap import overlap_start
from include.chunking.protocol import Tokenizer
from include.chunking.tokens import TokenIndex, is_additive
from include.chunking.units import SECTION, Unit, units_of
from include.documents import Block, Span

_VERSION = "structure-2"
# A byte-pair token may belong to the white space before a word: planning leaves room for it.
_SLACK = 2


class StructureChunker:
    """Cuts at sections, then blocks, then sentences, then words, within a token budget.

    No chunk exceeds `tokens` (or the model's limit) by the tokenizer's own count. Code and tables
    that fit are whole, a heading stays with what follows it, and a chunk spans two sections only
    when one of them is tiny; its heading path is that of its first character. Overlap repeats
    whole sentences or lines of the chunk before, inside a section, where the budget has room.
    """

    def __init__(self, tokenizer: Tokenizer, *, tokens: int, overlap_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._budget = min(tokens, tokenizer.limit)
        self._overlap = overlap_tokens
        self._planned = max(1, self._budget - (0 if is_additive(tokenizer) else _SLACK))

    @property
    def id(self) -> str:
        """`structure-2/<tokens>/<overlap>/<tokenizer>`."""
        return f"{_VERSION}/{self._budget}/{self._overlap}/{self._tokenizer.id}"

    def chunk(self, text: str, blocks: Sequence[Block]) -> list[Span]:
        """Spans in order, never blank; together they cover all of `text` but white space."""
        if not text or text.isspace():
            return []
        index = TokenIndex(text, self._tokenizer)
        if index.total <= self._planned:
            return self._whole(text, blocks, index)
        units = units_of(text, blocks, index, self._planned)
        paths = _HeadingPaths(text, blocks)
        spans: list[Span] = []
        previous: Sequence[Unit] = ()
        for first, last in merged(text, units, self._planned):
            members = units[first : last + 1]
            start, end = members[0].start, members[-1].end
            path = paths.at(start)
            tokens = index.count(start, end)
            if tokens > self._budget:
                spans.extend(Span(*part, path) for part in self._halved(text, index, start, end))
            else:
                start, tokens = self._overlapped(text, index, previous, (members, tokens))
                spans.append(Span(start, end, tokens, path))
            previous = members
        return spans

    def _whole(self, text: str, blocks: Sequence[Block], index: TokenIndex) -> list[Span]:
        """A document that fits one chunk is one chunk."""
        start, end = _left_trimmed(text, 0), right_trimmed(text, len(text))
        path = _HeadingPaths(text, blocks).at(start)
        return [Span(start, end, index.count(start, end), path)]

    def _overlapped(
        self,
        text: str,
        index: TokenIndex,
        previous: Sequence[Unit],
        chunk: tuple[Sequence[Unit], int],
    ) -> tuple[int, int]:
        """Where the chunk starts with its overlap, and how many tokens it then has."""
        members, tokens = chunk
        start, end = members[0].start, members[-1].end
        room = min(self._overlap, self._budget - tokens)
        if room <= 0 or not previous or members[0].strength >= SECTION:
            return start, tokens
        earlier = overlap_start(
            text, previous, start, index.position(members[0].tokens_start - room)
        )
        if earlier == start or index.count(earlier, right_trimmed(text, start)) > room:
            return start, tokens
        together = index.count(earlier, end)
        return (earlier, together) if together <= self._budget else (start, tokens)

    def _halved(
        self, text: str, index: TokenIndex, start: int, end: int
    ) -> Iterator[tuple[int, int, int]]:
        """A span that turned out too large, halved, at a word if there is one, until it fits."""
        tokens = index.count(start, end)
        if tokens <= self._budget or end - start == 1:
            yield start, end, tokens
            return
        middle = (start + end) // 2
        blank = max(text.rfind(white, start, middle) for white in " \n\t")
        middle = blank + 1 if blank > start else middle
        yield from self._halved(text, index, start, right_trimmed(text, middle))
        yield from self._halved(text, index, _left_trimmed(text, middle), end)


class _HeadingPaths:
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


def _left_trimmed(text: str, start: int) -> int:
    while text[start].isspace():
        start += 1
    return start
