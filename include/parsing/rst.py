"""reStructuredText: what most of a document is made of is read here, the rest by docutils.

Titles, paragraphs, bullet and definition lists, literal blocks and the usual directives need no
grammar, and docutils needs 2.4 CPU seconds per MB of them. Every other construct (tables, numbered
lists, line blocks, options ...) goes to docutils by itself. Tests hold the two to the same
words. Nothing is included, fetched or executed.
"""

from __future__ import annotations

import re

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing.blocks import BlockWriter
from include.parsing.rst_directives import (
    CODE,
    SILENT,
    TABULAR,
    Directive,
    alternative,
    directive,
    footnote,
    substitutions,
)
from include.parsing.rst_inline import plain
from include.parsing.rst_lines import (
    FIELD,
    GRAMMAR,
    blank_line,
    bullet_items,
    dedented,
    fields,
    grammar_end,
    indented_end,
    is_table,
    paragraph_end,
)

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*$")
_EXPLICIT = re.compile(r"\.\.(?: |$)")


def parse_rst(text: str) -> ParsedText:
    """Blocks of a reStructuredText document; a field list at its top becomes metadata.

    Raises DocumentError `malformed` when its constructs nest too deeply to be read.
    """
    reader = _Reader(text)
    try:
        reader.read([line.rstrip() for line in text.expandtabs(8).split("\n")])
    except RecursionError as error:
        raise DocumentError(
            "malformed", "The reStructuredText nests its constructs too deeply to be read."
        ) from error
    return reader.writer.finish("", reader.metadata)


class _Reader:
    def __init__(self, text: str) -> None:
        self.writer = BlockWriter()
        self.metadata: dict[str, object] = {}
        self._quotes = 0
        self._styles: list[str] = []
        self._substitutions = substitutions(text)

    def read(self, lines: list[str]) -> None:
        """Writes the blocks of these lines, one construct after the other."""
        at = 0
        while at < len(lines):
            at = self._construct(lines, at) if lines[at] else at + 1

    def _construct(self, lines: list[str], at: int) -> int:
        """Reads the construct that starts at a line; says where the next one may start."""
        line = lines[at]
        after_title = self._title(lines, at)
        if after_title:
            return after_title
        if _EXPLICIT.match(line):
            end = indented_end(lines, at + 1)
            self._explicit(lines[at:end])
            return end
        if line.startswith(">>>"):
            end = blank_line(lines, at)
            self.writer.add("code", "\n".join(lines[at:end]))
            return end
        if line.startswith(" "):
            end = indented_end(lines, at)
            self._quote(lines[at:end])
            return end
        if GRAMMAR.match(line):
            end = grammar_end(lines, at)
            self._grammar(lines[at:end])
            return end
        return self._paragraph(lines, at)

    def _title(self, lines: list[str], at: int) -> int:
        """Past the title that starts here, or past a transition; 0 when there is neither."""
        line, below, second = (*lines[at : at + 3], "", "")[:3]
        if _ADORNMENT.match(line):
            if below and second[:1] == line[:1] and _ADORNMENT.match(second) and len(line) > 1:
                self._heading(below, line[0] * 2)
                return at + 3
            return at + 1 if not below and len(line) >= 4 else 0
        underlined = bool(_ADORNMENT.match(below)) and len(below) >= min(4, len(line))
        if underlined and not line.startswith(" ") and not _EXPLICIT.match(line):
            self._heading(line, below[0])
            return at + 2
        return 0

    def _heading(self, title: str, style: str) -> None:
        if style not in self._styles:
            self._styles.append(style)
        level = min(self._styles.index(style) + 1, 6)
        self.writer.add("heading", self._plain(title), level)

    def _paragraph(self, lines: list[str], at: int) -> int:
        end = paragraph_end(lines, at)
        if end < len(lines) and lines[end].startswith(" "):
            return self._definition(lines, at, end)
        text = "\n".join(lines[at:end])
        if not text.endswith("::"):
            self._write(text)
            return end
        introduction = text[:-2]
        if introduction.strip():
            expanded = introduction[-1].isspace()  # "like this ::" drops the colons altogether
            self._write(introduction.rstrip() + ("" if expanded else ":"))
        literal_end = indented_end(lines, end)
        self.writer.add("code", "\n".join(dedented(lines[end:literal_end])))
        return literal_end

    def _definition(self, lines: list[str], at: int, end: int) -> int:
        """A term and, indented below it, what it means; any other indented text is a quote."""
        body_end = indented_end(lines, end)
        if end > at + 1:
            self._write("\n".join(lines[at:end]))
            self._quote(lines[end:body_end])
            return body_end
        self.writer.open_list()
        self.writer.start_item("")
        self._write(lines[at])
        self.read(dedented(lines[end:body_end]))
        self.writer.close_list()
        return body_end

    def _quote(self, lines: list[str]) -> None:
        self._quotes += 1
        self.read(dedented(lines))
        self._quotes -= 1

    def _write(self, text: str) -> None:
        self.writer.add_paragraph(self._plain(text), "quote" if self._quotes else "paragraph")

    def _grammar(self, lines: list[str]) -> None:
        if not self.metadata and self.writer.is_at_the_top() and FIELD.match(lines[0]):
            named = fields(lines)
            self.metadata.update((name, self._plain(value)) for name, value in named.items())
            if named:
                return
        if is_table(lines[0]) and self._table(lines):
            return
        items = bullet_items(lines)
        if items is None:
            self._docutils(lines)
            return
        self.writer.open_list()
        for item in items:
            self.writer.start_item("- ")
            self.read(item)
        self.writer.close_list()

    def _table(self, lines: list[str]) -> bool:
        """Writes a table and says whether it could be read."""
        from include.parsing.rst_docutils import table_rows

        rows = table_rows(lines)
        texts = [" | ".join(self._plain(cell) for cell in row).strip() for row in rows or ()]
        self.writer.add("table", "\n".join(texts))
        return rows is not None

    def _explicit(self, lines: list[str]) -> None:
        note = footnote(lines)
        found = directive(lines)
        if note:
            self.read(note)
        elif found and found.name in TABULAR:
            self._docutils(lines)
        elif found and found.name not in SILENT:
            self._directive(found)

    def _directive(self, found: Directive) -> None:
        content = "\n".join(found.content)
        if found.name == "image":
            self.writer.add_paragraph(alternative(found.argument, "\n".join(found.options)))
        elif found.name in CODE:
            self.writer.add(
                "code", f"{found.argument}\n{content}" if found.name == "math" else content
            )
        elif found.name.startswith("auto"):
            self.read(found.content)
        else:
            self.read([found.argument, *found.content])

    def _docutils(self, lines: list[str]) -> None:
        from include.parsing.rst_docutils import read_construct

        read_construct("\n".join(lines), self.writer, self._substitutions)

    def _plain(self, text: str) -> str:
        return " ".join(plain(text, self._substitutions).split())
