"""docutils, for the constructs of reStructuredText that take its grammar to read.

Only its parser runs, none of the transforms and writers. `include.parsing.rst` imports this module
when it meets the first such construct.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from docutils import nodes  # noqa: TID253 (this module is docutils' adapter)
from docutils.frontend import get_default_settings  # noqa: TID253
from docutils.parsers.rst import Parser  # noqa: TID253
from docutils.parsers.rst.tableparser import (  # noqa: TID253
    GridTableParser,
    SimpleTableParser,
    TableMarkupError,
)
from docutils.statemachine import StringList  # noqa: TID253
from docutils.utils import new_document  # noqa: TID253

from include.parsing.blocks import BlockWriter
from include.parsing.rst_tree import TreeWalk

_SETTINGS = {
    "report_level": 5,
    "halt_level": 6,
    "warning_stream": None,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "syntax_highlight": "none",
    "smart_quotes": False,
    "line_length_limit": 10_000_000,
}


def read_construct(source: str, writer: BlockWriter, substitutions: Mapping[str, str]) -> None:
    """Writes the blocks of one construct, given with its indentation."""
    TreeWalk(writer, substitutions).read(doctree(source))


def table_rows(lines: list[str]) -> list[list[str]] | None:
    """The source of every cell of a grid or simple table, row by row; None when it is malformed."""
    grid = lines[0].startswith("+")
    parser = GridTableParser() if grid else SimpleTableParser()
    try:
        _, head, body = parser.parse(StringList(_without_blank_end(lines)))
    except TableMarkupError:
        return None
    return [["\n".join(cell[3]) for cell in row if cell is not None] for row in [*head, *body]]


def _without_blank_end(lines: list[str]) -> list[str]:
    end = len(lines)
    while not lines[end - 1]:
        end -= 1
    return lines[:end]


def doctree(source: str) -> nodes.document:
    """The document tree of `source`; errors are nodes in it."""
    document = new_document("", _settings())
    Parser().parse(source, document)
    return document


@cache
def _settings() -> Any:
    settings = get_default_settings(Parser)
    for name, value in _SETTINGS.items():
        setattr(settings, name, value)
    return settings
