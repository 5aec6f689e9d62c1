"""Explicit markup of reStructuredText: directives, footnotes and substitution definitions."""

from __future__ import annotations

import re
from typing import NamedTuple

from include.parsing.badges import is_badge
from include.parsing.rst_lines import dedented

CODE = frozenset(("code", "code-block", "sourcecode", "parsed-literal", "math", "prompt", "ipython",
                  "doctest", "testcode", "testoutput", "productionlist"))  # fmt: skip
SILENT = frozenset(("toctree", "contents", "highlight", "currentmodule", "module", "index", "meta",
                    "raw", "include", "literalinclude", "sectnum", "tabularcolumns", "default-role",
                    "role", "title", "target-notes", "autosummary", "plot", "graphviz"))  # fmt: skip
TABULAR = frozenset(("table", "csv-table", "list-table", "figure", "line-block"))

_DIRECTIVE = re.compile(r"\.\. +([\w:+.-]+) ?::(?: +(.*))?$")
_FOOTNOTE = re.compile(r"\.\. +\[(?:#?[\w.-]*|\*)\] *(.*)$")
_SUBSTITUTION = re.compile(
    r"^\.\. +\|([^|\n]+)\| +([\w-]+):: *(.*)\n?((?:[ \t]+\S.*\n?)*)", re.MULTILINE
)
_OPTION = re.compile(r" +:[\w-]+:")
_ALTERNATIVE = re.compile(r" *:alt: *(.*)")


class Directive(NamedTuple):
    """A directive's name, what stands behind it, its option lines and its dedented content."""

    name: str
    argument: str
    options: list[str]
    content: list[str]


def directive(lines: list[str]) -> Directive | None:
    """The directive that these lines are, if they are one."""
    found = _DIRECTIVE.match(lines[0])
    if not found:
        return None
    begin = 1
    while begin < len(lines) and _OPTION.match(lines[begin]):
        begin += 1
    return Directive(found[1].lower(), found[2] or "", lines[1:begin], dedented(lines[begin:]))


def footnote(lines: list[str]) -> list[str] | None:
    """The text of the footnote or citation that these lines are, if they are one."""
    found = _FOOTNOTE.match(lines[0])
    return [found[1], *dedented(lines[1:])] if found else None


def substitutions(text: str) -> dict[str, str]:
    """What each |name| of a document stands for: words, or a picture's alternative text."""
    return {
        " ".join(name.split()): argument if kind == "replace" else alternative(argument, options)
        for name, kind, argument, options in _SUBSTITUTION.findall(text)
        if kind in ("replace", "image")
    }


def alternative(uri: str, options: str) -> str:
    """The alternative text of the picture at `uri`; a badge has none."""
    found = _ALTERNATIVE.search(options)
    return found[1].strip() if found and not is_badge(uri) else ""
