"""Plain text: paragraphs between blank lines, underlined headings, a title line."""

from __future__ import annotations

import re

from include.documents import ParsedText
from include.parsing.blocks import BlockWriter

_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_UNDERLINED = re.compile(r"([^\n]{1,120})\n([=\-~^*#])\2{2,}[ \t]*(?:\n|$)")
_LEVELS = {"=": 1, "#": 1, "*": 1, "-": 2, "~": 3, "^": 3}
LONGEST_TITLE_LINE = 200


def parse_text(text: str) -> ParsedText:
    """Blocks of plain text. A first line that a blank line follows is the title."""
    writer = BlockWriter()
    paragraphs = [part for part in _BLANK_LINES.split(text.strip()) if part.strip()]
    for number, paragraph in enumerate(paragraphs):
        paragraph = paragraph.rstrip()
        underlined = _UNDERLINED.match(paragraph)
        if underlined and underlined[1].strip():
            writer.add("heading", underlined[1].strip(), _LEVELS[underlined[2]])
            writer.add("paragraph", paragraph[underlined.end() :])
        elif number == 0 and len(paragraphs) > 1 and _is_title(paragraph):
            writer.add("heading", paragraph.strip(), 1)
        else:
            writer.add("paragraph", paragraph)
    return writer.finish()


def _is_title(paragraph: str) -> bool:
    return "\n" not in paragraph and len(paragraph) <= LONGEST_TITLE_LINE
