"""Where the definitions of a program text begin, found by tree-sitter, also amid syntax errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Query

    from include.parsing.code_languages import CodeLanguage

LARGEST_STRUCTURED = 2_000_000
_MOST_DEFINITIONS = 20_000
_LONGEST_AVERAGE_LINE = 300
_LONGEST_HEADING = 300
_MOST_PARENTS = 3
_BELONGS_BELOW = ("comment", "attribute", "annotation")
_CLOSING = frozenset({"end", "fi", "done", "esac", "#endif"})
_WORD = re.compile(r"\w")


class Heading(NamedTuple):
    """A heading of `height` lines, and its level from 1 (outermost) to 6."""

    level: int
    height: int


class _Definition(NamedTuple):
    """Lines: where what belongs to it begins, where its name is, where it ends; its bytes."""

    begins: int
    named: int
    ends: int
    start_byte: int
    end_byte: int
    contains: bool


def find_headings(text: str, language: CodeLanguage) -> dict[int, Heading]:
    """The headings of a program text by their first lines.

    None for what is too large or has too long lines to be written by people. What follows a
    definition on its own level is headed by its first line, lest it pass for a part of it.
    """
    lines = text.split("\n")
    if len(text) > min(LARGEST_STRUCTURED, _LONGEST_AVERAGE_LINE * len(lines)):
        return {}
    definitions = _definitions(text.encode("utf-8", "replace"), language)
    return _Outline(lines).of(definitions) if len(definitions) <= _MOST_DEFINITIONS else {}


@lru_cache(maxsize=32)
def _tools(language: CodeLanguage) -> tuple[Parser, Query]:
    from tree_sitter import Language, Parser, Query

    module, function = language.grammar.split(":")
    grammar = Language(getattr(import_module(f"tree_sitter_{module}"), function)())
    types = (f"({name})" for name in (*language.containers, *language.leaves))
    return Parser(grammar), Query(grammar, f"[{' '.join((*types, *language.patterns))}] @found")


def _definitions(raw: bytes, language: CodeLanguage) -> list[_Definition]:
    """In the order of the text, the outer before the inner."""
    from tree_sitter import QueryCursor

    parser, query = _tools(language)
    tree = parser.parse(raw)
    nodes = QueryCursor(query).captures(tree.root_node).get("found", [])
    found = (_described(node, language) for node in nodes)
    return sorted(found, key=lambda each: (each.start_byte, -each.end_byte))


def _described(node: Node, language: CodeLanguage) -> _Definition:
    whole = node
    while whole.parent is not None and whole.parent.type in language.wrappers:
        whole = whole.parent
    begins = whole.start_point.row
    before = whole.prev_sibling
    while before is not None and _belongs(before, begins):
        begins = before.start_point.row
        before = before.prev_sibling
    name = node.child_by_field_name("name") or node.child_by_field_name("declarator") or node
    return _Definition(
        begins,
        name.start_point.row,
        _last_line(node),
        node.start_byte,
        node.end_byte,
        node.type in language.containers,
    )


def _belongs(before: Node, begins: int) -> bool:
    """A comment or attribute right above, on lines of its own."""
    previous = before.prev_sibling
    alone = previous is None or _last_line(previous) < before.start_point.row
    right_above = _last_line(before) == begins - 1
    return alone and right_above and any(kind in before.type for kind in _BELONGS_BELOW)


def _last_line(node: Node) -> int:
    """Some nodes end with their line's end, at the start of the next line."""
    return node.end_point.row - (node.end_point.column == 0)


class _Outline:
    """Turns definitions into headings, each two levels below that of the one it lies in.

    Of a definition with comments or decorators, their first line is a heading one level above
    that of the definition's name, so that they start its section.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._headings: dict[int, Heading] = {}
        self._open: list[_Definition] = []
        # For each level: the line behind its last definition, None before its first.
        self._behind: list[int | None] = [None]

    def of(self, definitions: Iterable[_Definition]) -> dict[int, Heading]:
        """The headings of definitions that come in the order of the text."""
        for definition in definitions:
            while self._open and self._open[-1].end_byte <= definition.start_byte:
                self._close()
            if len(self._open) >= _MOST_PARENTS or (self._open and not self._open[-1].contains):
                continue
            self._head_what_follows(definition.begins)
            self._head(definition)
            self._open.append(definition)
            self._behind.append(None)
        while self._open:
            self._close()
        self._head_what_follows(len(self._lines))
        return self._headings

    def _close(self) -> None:
        closed = self._open[-1]
        self._head_what_follows(closed.ends + 1)
        self._open.pop()
        self._behind.pop()
        self._behind[-1] = closed.ends + 1

    def _head_what_follows(self, until: int) -> None:
        """Heads the code between the last definition of this level and line `until`."""
        behind = self._behind[-1]
        if behind is not None:
            rows = range(behind, until)
            self._add(next((row for row in rows if self._says_something(row)), None), 0)

    def _says_something(self, row: int) -> bool:
        line = self._lines[row].strip()
        return line not in _CLOSING and _WORD.search(line) is not None

    def _head(self, definition: _Definition) -> None:
        begins, named = definition.begins, definition.named
        if begins < named:
            height = next(
                (row + 1 - begins for row in range(begins, named) if self._says_something(row)), 1
            )
            self._add(begins, 0, height)
        self._add(named, 1 if begins < named else 0)

    def _add(self, row: int | None, below: int, height: int = 1) -> None:
        if row is None or row in self._headings:
            return
        if sum(map(len, self._lines[row : row + height])) <= _LONGEST_HEADING:
            self._headings[row] = Heading(2 * len(self._open) + 1 + below, height)
