"""Running headers, footers and page numbers: what the top and bottom of most pages repeat."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from include.parsing.pdf_lines import Line

_LINES_AT_AN_EDGE = 3
_FEWEST_PAGES = 3
_LEAST_SHARE = 0.4  # headers of left and right pages differ, and chapters open without one
_NUMBER = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"\W*(?:(?:page|seite|pagina|página|p)\W{0,2})?(?:\d{1,4}|[ivxlc]{1,7})"
    r"(?:\s?(?:/|of|von|de|sur|di)\s?\d{1,4})?\W*",
    re.IGNORECASE,
)

Pages = Sequence[list[Line]]
Key = tuple[str, int]


def without_margins(pages: Pages) -> list[list[Line]]:
    """The pages without the lines at their edges that repeat, but for the number of the page.

    A number at the edge of a page is one only if it grows with the pages; figures of a table stay.
    A page that consists of repeated lines alone keeps them.
    """
    edges = [_edge_lines(lines) for lines in pages]
    repeated = _repeated(edges)
    return [
        [line for at, line in enumerate(lines) if not (at in edge and _key(line) in repeated)]
        or lines
        for lines, edge in zip(pages, edges, strict=True)
    ]


def _edge_lines(lines: list[Line]) -> dict[int, Line]:
    """The highest and the lowest lines of a page by their position in reading order."""
    ordered = sorted(range(len(lines)), key=lambda at: lines[at].bottom)
    chosen = {*ordered[:_LINES_AT_AN_EDGE], *ordered[-_LINES_AT_AN_EDGE:]}
    return {at: lines[at] for at in chosen}


def _key(line: Line) -> Key:
    """What a line says but for its numbers, and how large: a title is larger than its repetition."""
    return _NUMBER.sub("#", " ".join(line.text.split()).casefold()), round(line.size)


def _repeated(edges: list[dict[int, Line]]) -> set[Key]:
    pages_of: dict[Key, dict[int, str]] = defaultdict(dict)
    for page, lines in enumerate(edges):
        for line in lines.values():
            pages_of[_key(line)].setdefault(page, line.text)
    fewest = max(_FEWEST_PAGES, _LEAST_SHARE * len(edges))
    return {key for key, found in pages_of.items() if _is_furniture(found, fewest)}


def _is_furniture(found: dict[int, str], fewest: float) -> bool:
    """Whether a line, by page, is the same everywhere or counts the pages."""
    if len(found) >= fewest and max(Counter(found.values()).values()) >= fewest:
        return True
    enough = fewest if len(found) >= _FEWEST_PAGES else 2
    numbered = len(found) >= enough or all(map(_PAGE_NUMBER.fullmatch, found.values()))
    offsets = Counter(
        int(number) - page
        for page, text in found.items()
        for number in set(_NUMBER.findall(text))
        if len(number) <= 5
    )
    agreeing = max(offsets.values(), default=0)
    return numbered and agreeing >= 0.6 * len(found)
