"""Source code: its text as it stands, in sections that begin at definitions.

A definition's first line is a heading, so that a chunk of a long method carries the class and the
method it is from. Comments and decorators above a definition belong to its section.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from include.documents import Block, ParsedText
from include.parsing.code_languages import CodeLanguage

if TYPE_CHECKING:
    from include.parsing.code_structure import Heading


def parse_code(text: str, language: CodeLanguage) -> ParsedText:
    """Blocks of a program text; what its grammar cannot read is code all the same.

    Its natural language is undetermined; its programming language is in the metadata.
    """
    headings: Mapping[int, Heading] = {}
    if language.grammar:
        from include.parsing.code_structure import find_headings

        headings = find_headings(text, language)
    metadata = {"programming_language": language.name, "language": "und"}
    return ParsedText(text, tuple(_blocks(text.split("\n"), headings)), metadata=metadata)


def _blocks(lines: list[str], headings: Mapping[int, Heading]) -> Iterator[Block]:
    """Each heading is a block, and so is the code between two; blank lines around it are not."""
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    heading_of = {
        line: row for row, heading in headings.items() for line in range(row, row + heading.height)
    }
    for row, group in groupby(range(len(lines)), key=lambda line: heading_of.get(line, -1)):
        rows = [line for line in group if lines[line].strip()]
        if rows:
            start, end = starts[rows[0]], starts[rows[-1]] + len(lines[rows[-1]])
            if row < 0:
                yield Block("code", start, end)
            else:
                yield Block("heading", start, end, headings[row].level)
