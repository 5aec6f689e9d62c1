"""Where the constructs of reStructuredText begin and end, line by line.

Lines have no tabs and no white space at their end.
"""

from __future__ import annotations

import re
from textwrap import dedent

GRAMMAR = re.compile(
    r"[-*+•‣]($| )|(\d+|[A-Za-z#]|[ivxlcdmIVXLCDM]+)[.)]($| )|\((\d+|[A-Za-z#]|[ivxlcdm]+)\) "
    r"|:(?![: ])[^:]+:($| )|\|($| )|\+[-=]+\+|=+( +=+)+$|__ |-{1,2}[A-Za-z?]|/[A-Z]( |$)"
)
FIELD = re.compile(r":((?:\\.|[^:\\])+):(?: +(.*))?$")
_TABLE_BORDER = re.compile(r"=+( +=+)+$")
_BULLET = re.compile(r"([-*+•‣]) +")


def blank_line(lines: list[str], at: int) -> int:
    """The first line from `at` on that is blank."""
    while at < len(lines) and lines[at]:
        at += 1
    return at


def paragraph_end(lines: list[str], at: int) -> int:
    """The first line behind `at` that is blank or indented."""
    end = at + 1
    while end < len(lines) and lines[end] and not lines[end].startswith(" "):
        end += 1
    return end


def indented_end(lines: list[str], at: int) -> int:
    """The first line from `at` on that starts at the margin."""
    while at < len(lines) and (not lines[at] or lines[at].startswith(" ")):
        at += 1
    return at


def grammar_end(lines: list[str], at: int) -> int:
    """Past the constructs that have to be seen together: all items of a list, a whole table."""
    if _TABLE_BORDER.match(lines[at]):
        return _table_end(lines, at)
    end = at + 1
    while end < len(lines):
        line = lines[end]
        after_blank = line and not line.startswith(" ") and not lines[end - 1]
        if after_blank and not (GRAMMAR.match(line) and line[0] == lines[at][0]):
            break
        end += 1
    return end


def is_table(line: str) -> bool:
    """Whether this line is the upper border of a grid or simple table."""
    return (line.startswith("+") and line.endswith("+")) or bool(_TABLE_BORDER.match(line))


def _table_end(lines: list[str], at: int) -> int:
    """A simple table ends at a border with a blank line below it."""
    for end in range(at + 2, len(lines)):
        if _TABLE_BORDER.match(lines[end]) and (end + 1 == len(lines) or not lines[end + 1]):
            return end + 1
    return blank_line(lines, at)


def fields(lines: list[str]) -> dict[str, str]:
    """A field list's values by lower-case name; empty when the lines are anything else."""
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        field = FIELD.match(line)
        if field:
            name = field[1].strip().lower()
            found[name] = field[2] or ""
        elif name and (not line or line.startswith(" ")):
            found[name] = f"{found[name]} {line.strip()}".strip()
        else:
            return {}
    return found


def dedented(lines: list[str]) -> list[str]:
    """The lines without the indentation that all of them share."""
    return dedent("\n".join(lines)).split("\n")


def bullet_items(lines: list[str]) -> list[list[str]] | None:
    """The lines of each item of a bullet list, without its indentation; None for anything else."""
    items: list[list[str]] = []
    bullet = _BULLET.match(lines[0])
    if not bullet:
        return None
    indent = " " * bullet.end()
    for line in lines:
        found = _BULLET.match(line)
        if found and found[1] == bullet[1]:
            items.append([line[found.end() :]])
            indent = " " * found.end()
        elif not line or line.startswith(indent):
            items[-1].append(line[len(indent) :])
        else:
            return None
    return items
