"""Headings of a PDF: its outline where it has one, else short lines in larger or bold type."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from include.parsing.pdf_lines import Line
from include.parsing.pdf_paragraphs import Paragraph

_LARGER = 1.15
_LONGEST = 200
_MOST_LINES = 3
_LOWEST_LEVEL = 4
_NOT_SMALLER = 0.98
_MOST_BOLD_LINES = 2
_MOST_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the outline: its words, its level from 1, the page it points to from 0."""

    title: str
    level: int
    page: int


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading and the reading position, within its page, of the line that it replaces."""

    text: str
    level: int
    page: int
    at: int
    lines: int


def outlined(entries: Iterable[Entry], pages: Sequence[list[Line]]) -> dict[int, list[Heading]]:
    """The outline's entries by page, each at the lines that print it or behind the one before.

    A page takes no more entries than it has lines, and one.
    """
    found: dict[int, list[Heading]] = defaultdict(list)
    for entry in entries:
        if entry.page < len(pages) and len(found[entry.page]) <= len(pages[entry.page]):
            taken = found[entry.page]
            start = taken[-1].at + taken[-1].lines if taken else 0
            taken.append(_placed(entry, pages[entry.page], start))
    return {
        page: sorted(headings, key=lambda heading: heading.at) for page, headings in found.items()
    }


def _placed(entry: Entry, lines: list[Line], start: int) -> Heading:
    wanted = _letters(entry.title)
    for at in [*range(start, len(lines)), *range(start)]:
        printed = ""
        for count, line in enumerate(lines[at : at + _MOST_LINES], start=1):
            printed += _letters(line.text)
            if wanted and printed == wanted:
                text = " ".join(line.text for line in lines[at : at + count])
                return Heading(text, entry.level, entry.page, at, count)
            if not wanted.startswith(printed):
                break
    return Heading(entry.title, entry.level, entry.page, start, 0)


def _letters(text: str) -> str:
    """What makes two spellings of a heading equal: its letters, without a section's number."""
    return "".join(filter(str.isalpha, text)).casefold() or "".join(filter(str.isalnum, text))


def by_type(blocks: Sequence[Paragraph]) -> Iterator[tuple[Paragraph, int]]:
    """Each block with its level as a heading, 0 for running text.

    Level 1 is the title's: type larger than any other, used once, on the first page. Bold lines of
    the running text's size come last.
    """
    body = _body(blocks)
    chosen = {id(block) for block in blocks if _stands_out(block, body)}
    if sum(len(block.text) for block in blocks if id(block) in chosen) > _MOST_SHARE * sum(
        len(block.text) for block in blocks
    ):
        chosen = set()
    levels = _levels([block for block in blocks if id(block) in chosen])
    for block in blocks:
        yield block, levels[_rounded(block.size)] if id(block) in chosen else 0


def title_line(blocks: Sequence[Paragraph]) -> str:
    """The words in the largest type of the first page; "" where none is larger than the text."""
    body = _body(blocks)
    large = [block for block in blocks if block.page == 0 and block.size >= _LARGER * body]
    standing_out = [block for block in large if _stands_out(block, body)]
    largest = max(standing_out, key=lambda block: block.size, default=None)
    return " ".join(largest.text.split()) if largest else ""


def _body(blocks: Sequence[Paragraph]) -> float:
    """The size of most letters."""
    letters: Counter[float] = Counter()
    for block in blocks:
        letters[_rounded(block.size)] += len(block.text)
    return max(letters, key=lambda size: letters[size], default=0.0)


def _levels(headings: Sequence[Paragraph]) -> dict[float, int]:
    sizes = sorted({_rounded(block.size) for block in headings}, reverse=True)
    largest = [block for block in headings if _rounded(block.size) == sizes[0]]
    highest = 1 if len(largest) == 1 and largest[0].page == 0 else 2
    return {size: min(rank, _LOWEST_LEVEL) for rank, size in enumerate(sizes, start=highest)}


def _stands_out(block: Paragraph, body: float) -> bool:
    large = block.size >= _LARGER * body and len(block.text) <= _LONGEST
    bold = block.bold and block.size >= _NOT_SMALLER * body and block.lines <= _MOST_BOLD_LINES
    return (
        block.kind in ("paragraph", "list")
        and not block.rows
        and (large or (bold and not block.text.endswith((".", ",", ";", ":"))))
        and sum(map(str.isalpha, block.text)) >= max(3, 0.5 * len(block.text))
    )


def _rounded(size: float) -> float:
    return round(size * 2) / 2
