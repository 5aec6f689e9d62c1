"""Paragraphs from lines: which line goes on in the next, which begins something new.

A typesetter ends a line where the next word no longer fits. So a line whose successor's first
word would have fitted was ended on purpose: by the end of a paragraph, a row, a verse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from include.documents import BlockKind
from include.parsing.pdf_lines import BULLET, HYPHEN, Line

_ITEM = re.compile(rf"(?:{BULLET.pattern}|\(?(?:\d{{1,2}}|[a-z])[.)])\s+(?=\S)")
_SENTENCE_END = re.compile(r"[.!?:;。！？][\"'”’»)\]]*$")
_BROKEN_WORD = re.compile(rf"([^\W\d_]+){HYPHEN}\s?([^\W\d_]+)")
_WORDS = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A block of a page: its lines, with line breaks where they were intended."""

    kind: BlockKind
    text: str
    page: int
    size: float
    lines: int
    bold: bool = False

    @property
    def rows(self) -> bool:
        """Whether all of it is rows of cells."""
        return self.kind == "table" or (" | " in self.text and self.lines == 1)


def paragraphs(lines: Sequence[Line], page: int) -> Iterator[Paragraph]:
    """The blocks of a page in reading order."""
    found: list[Paragraph] = []
    for region in _regions(lines):
        for group in _groups(region):
            block = _paragraph(group, page, max(line.right for line in region))
            if found and found[-1].rows and block.rows:
                last = found.pop()
                block = replace(last, kind="table", text=f"{last.text}\n{block.text}")
            found.append(block)
    yield from found


def _regions(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Runs of lines of one size under each other, as close as the first two of them.

    Those two are held together by what is usual: three quarters of a page's gaps are at least so.
    """
    gaps = [above.bottom - below.top for above, below in pairwise(lines) if below.top < above.top]
    usual = sorted(gaps)[len(gaps) // 4] if gaps else 0.0
    region: list[Line] = []
    for line in lines:
        own = region[0].bottom - region[1].top if len(region) > 1 else usual
        if region and _parted(region[-1], line, own):
            yield region
            region = []
        region.append(line)
    if region:
        yield region


def _parted(above: Line, below: Line, usual: float) -> bool:
    size = max(above.size, below.size)
    goes_down = below.bottom < above.bottom
    wide = above.bottom - below.top > max(usual, 0.0) + 0.35 * size
    other_size = abs(above.size - below.size) > 0.08 * size
    beside = below.left > above.right or below.right < above.left
    return not goes_down or wide or other_size or beside or above.bold != below.bold


def _groups(region: list[Line]) -> Iterator[list[Line]]:
    right, margin = max(line.right for line in region), min(line.left for line in region)
    group: list[Line] = []
    for line in region:
        if group and _begins(line, group, margin, right):
            yield group
            group = []
        group.append(line)
    yield group


def _begins(line: Line, group: list[Line], margin: float, right: float) -> bool:
    """Whether a line opens a paragraph or an item of a list."""
    above = group[-1]
    if _ITEM.match(line.text):
        return bool(_ITEM.match(group[0].text) or not _goes_on(above, line, right))
    if above.row or line.row:
        return False
    if _ITEM.match(group[0].text):
        return line.left <= group[0].left + 0.3 * line.size and not _goes_on(above, line, right)
    if _ended(above, line, right) and _SENTENCE_END.search(above.text):
        return True
    indented = line.left > margin + 0.8 * line.size and above.left < margin + 0.5 * line.size
    return indented and bool(_SENTENCE_END.search(above.text))


def _goes_on(above: Line, line: Line, right: float) -> bool:
    return not _ended(above, line, right) and not _SENTENCE_END.search(above.text)


def _ended(above: Line, line: Line, right: float) -> bool:
    """Whether the first word of `line` would have fitted behind `above`."""
    if above.hyphenated:
        return False
    width = (line.right - line.left) / max(len(line.text), 1)
    first_word = len(line.text.split(maxsplit=1)[0])
    return above.right + width * (first_word + 1) < right


def _paragraph(group: list[Line], page: int, right: float) -> Paragraph:
    text = group[0].text
    tabular = sum(line.row for line in group) * 2 >= len(group) and len(group) > 1
    for above, line in pairwise(group):
        text = _appended(text, line.text, broken=above.row or line.row or _ended(above, line, right),
                         hyphenated=above.hyphenated)  # fmt: skip
    text += HYPHEN if group[-1].hyphenated else ""
    item = _ITEM.match(text)
    if item and not tabular:
        text = f"- {text[item.end() :]}" if BULLET.match(text) else text
    kind: BlockKind = "table" if tabular else "list" if item else "paragraph"
    return Paragraph(kind, text, page, group[0].size, len(group), group[0].bold)


def _appended(text: str, line: str, *, broken: bool, hyphenated: bool) -> str:
    if hyphenated:
        return text + HYPHEN + line
    if broken:
        return f"{text}\n{line}"
    if text.endswith("-") and text[-2:-1].isalpha() and line[:1].islower():
        return text[:-1] + HYPHEN + line
    return f"{text} {line}"


def across_pages(blocks: Iterable[tuple[Paragraph, int]]) -> list[tuple[Paragraph, int]]:
    """Blocks with their heading levels, those joined that a column or page cut in a sentence."""
    joined: list[tuple[Paragraph, int]] = []
    for block, level in blocks:
        last = joined[-1][0] if joined else None
        if last and not level and not joined[-1][1] and _continues(last, block):
            hyphenated = last.text.endswith(HYPHEN)
            text = _appended(
                last.text.rstrip(HYPHEN), block.text, broken=False, hyphenated=hyphenated
            )
            joined[-1] = replace(last, text=text, lines=last.lines + block.lines), 0
        else:
            joined.append((block, level))
    return joined


def _continues(last: Paragraph, block: Paragraph) -> bool:
    return (
        last.kind in ("paragraph", "list")
        and block.kind == "paragraph"
        and block.page <= last.page + 1
        and abs(last.size - block.size) < 0.08 * last.size
        and min(last.lines, 2) + min(block.lines, 2) >= 3
        and block.text[:1].islower()
        and not _SENTENCE_END.search(last.text)
    )


def mended(texts: Sequence[str]) -> list[str]:
    """The texts with words put together that a line end broke.

    Whether the hyphen was part of the word, the rest of the document tells; if it does not, the
    hyphen goes.
    """
    known = {word.casefold() for text in texts for word in _WORDS.findall(text)}

    def whole(found: re.Match[str]) -> str:
        joined, parted = found[1] + found[2], f"{found[1]}-{found[2]}"
        keep = joined.casefold() not in known and parted.casefold() in known
        return parted if keep else joined

    return [_BROKEN_WORD.sub(whole, text).replace(HYPHEN, "-") for text in texts]
