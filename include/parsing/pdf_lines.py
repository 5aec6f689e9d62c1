"""The lines of a PDF page with their places, as PDFium reads them, in reading order.

PDFium starts a new line at every change of baseline; what stands on one line for a reader
(a footnote mark, the cells of a row) is put together again here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

HYPHEN = "\ufffe"  # PDFium's mark for a hyphen that ends a line
_SEGMENTS = re.compile(f"([^\r\n{HYPHEN}]*)(\r?\n|{HYPHEN}|$)")
CELL_GAP = 1.5  # in font sizes: a wider gap parts the cells of a row, not words
_WORD_GAP = 0.12
_WIDE = 0.56  # of the font size, per character: wider than any running text
_BOLD = 600  # of the weights from 100 to 900, 400 is a font's regular one
BULLET = re.compile(r"[•●▪■□◦‣⁃∙·*\uf0b7\uf0a7\x80-\x9f–—-]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and its box in points, y growing upwards.

    `bold` when it begins and ends so; `hyphenated` when its last word goes on in the next line.
    """

    text: str
    left: float
    bottom: float
    right: float
    top: float
    size: float
    bold: bool = False
    hyphenated: bool = False

    @property
    def row(self) -> bool:
        """Whether this line is a row of cells."""
        return " | " in self.text


def page_lines(text_page: Any) -> list[Line]:
    """The lines of a page, turned upright when most of them run upwards or downwards."""
    lines = _put_together(_upright(list(_segments(text_page))))
    climbs = all(below.top <= above.bottom for below, above in pairwise(lines))
    return lines[::-1] if climbs else lines


def _segments(text_page: Any) -> Iterator[tuple[Line, float]]:
    """Each run of text between line breaks with its box, and the rise of its baseline."""
    text = text_page.get_text_range()
    offset = 0  # PDFium counts UTF-16 units
    for found in _SEGMENTS.finditer(text):
        segment, end = found.groups()
        if segment.strip():
            before = len(segment) - len(segment.lstrip())
            placed = _placed(text_page, offset + before, segment.strip(), end == HYPHEN)
            if placed:
                yield placed
        offset += len((segment + end).encode("utf-16-le", "surrogatepass")) // 2


def _placed(page: Any, offset: int, text: str, hyphenated: bool) -> tuple[Line, float] | None:
    import pypdfium2.raw as pdfium

    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    first = pdfium.FPDFText_GetCharIndexFromTextIndex(page, offset)
    last = pdfium.FPDFText_GetCharIndexFromTextIndex(page, offset + length - 1)
    if first < 0 or last < 0:
        return None
    boxes = _box(page, first), _box(page, last)
    rise = abs(boxes[1][1] - boxes[0][1]) - abs(boxes[1][0] - boxes[0][0])
    sign = math.copysign(1.0, boxes[1][1] - boxes[0][1])
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    size = _size(page, last)
    if not BULLET.match(text):
        size = max(size, _size(page, first))
    if (rights[-1] - lefts[0]) > _WIDE * size * len(text):
        text = _with_cells(page, first, text, size)
    bold = min(pdfium.FPDFText_GetFontWeight(page, at) for at in (first, last)) >= _BOLD
    line = Line(text, min(lefts), min(bottoms), max(rights), max(tops), size, bold, hyphenated)
    return line, sign * rise if len(text) > 3 and rise > 0 else 0.0


def _with_cells(page: Any, first: int, text: str, size: float) -> str:
    """The text with bars in the gaps that are too wide to part words alone."""
    pieces = []
    for at in range(len(text)):
        if text[at] == " ":
            gap = _box(page, first + at + 1)[0] - _box(page, first + at - 1)[2]
            pieces.append(
                " | " if gap > CELL_GAP * size and not BULLET.fullmatch(text[:at]) else " "
            )
        else:
            pieces.append(text[at])
    return "".join(pieces)


def _box(page: Any, index: int) -> tuple[float, float, float, float]:
    import pypdfium2.raw as pdfium

    box = pdfium.FS_RECTF()
    pdfium.FPDFText_GetLooseCharBox(page, index, box)
    return box.left, box.bottom, box.right, box.top


def _size(page: Any, index: int) -> float:
    """The font size as it appears; the nominal one is often 1, scaled by the text matrix."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    nominal = float(pdfium.FPDFText_GetFontSize(page, index))
    if pdfium.FPDFText_GetMatrix(page, index, matrix):
        nominal *= math.hypot(matrix.c, matrix.d)
    return max(nominal, 1.0)


def _upright(segments: list[tuple[Line, float]]) -> list[Line]:
    upwards = sum(rise > 0 for _, rise in segments)
    downwards = sum(rise < 0 for _, rise in segments)
    if 2 * max(upwards, downwards) <= len(segments):
        return [line for line, _ in segments]
    if upwards > downwards:
        return [
            replace(line, left=line.bottom, right=line.top, bottom=-line.right, top=-line.left)
            for line, _ in segments
        ]
    return [
        replace(line, left=-line.top, right=-line.bottom, bottom=line.left, top=line.right)
        for line, _ in segments
    ]


def _put_together(segments: list[Line]) -> list[Line]:
    lines: list[Line] = []
    for segment in segments:
        if lines and _same_line(lines[-1], segment):
            lines[-1] = _joined(lines[-1], segment)
        else:
            lines.append(segment)
    return lines


def _same_line(line: Line, segment: Line) -> bool:
    overlap = min(line.top, segment.top) - max(line.bottom, segment.bottom)
    height = min(line.top - line.bottom, segment.top - segment.bottom)
    follows = segment.left >= line.right - 0.3 * line.size
    return not line.hyphenated and overlap > 0.5 * height and follows


def _joined(line: Line, segment: Line) -> Line:
    bullet = BULLET.fullmatch(line.text)
    size = segment.size if bullet else max(line.size, segment.size)
    gap = (segment.left - line.right) / size
    between = " | " if gap > CELL_GAP and not bullet else " " if gap > _WORD_GAP else ""
    return Line(
        text=line.text + between + segment.text,
        left=line.left,
        bottom=min(line.bottom, segment.bottom),
        right=max(line.right, segment.right),
        top=max(line.top, segment.top),
        size=size,
        bold=line.bold and segment.bold,
        hyphenated=segment.hyphenated,
    )
