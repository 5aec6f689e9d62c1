"""Walks a docutils tree and writes blocks."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

from docutils import nodes  # noqa: TID253 (imported by docutils' adapter alone)

from include.parsing.badges import is_badge
from include.parsing.blocks import BlockWriter, one_line

_SKIPPED = (nodes.comment, nodes.target, nodes.substitution_definition, nodes.pending, nodes.raw,
            nodes.transition, nodes.decoration, nodes.meta, nodes.label)  # fmt: skip
_CODE = (nodes.literal_block, nodes.doctest_block, nodes.math_block)
_LEAVES = (nodes.paragraph, nodes.term, nodes.caption, nodes.attribution, nodes.rubric,
           nodes.line, nodes.subtitle)  # fmt: skip
_LISTS = (nodes.bullet_list, nodes.enumerated_list, nodes.definition_list, nodes.field_list,
          nodes.option_list)  # fmt: skip
_ROLE = re.compile(r":[\w:+.-]+:`[~!]?([^`<]+?)(?:\s*<[^`>]*>)?`")
_DIRECTIVE = re.compile(r"\s*\.\. [\w:+.-]+::[^\n]*(?:\n[ \t]+:[\w-]+:[^\n]*)*")


class TreeWalk:
    """Reads a tree once, in document order, into `writer`."""

    def __init__(self, writer: BlockWriter, substitutions: Mapping[str, str]) -> None:
        self.writer = writer
        self._substitutions = substitutions
        self._depth = 0
        self._quotes = 0

    def read(self, document: nodes.document) -> None:
        """Writes every block of the document."""
        self._children(document)

    def _children(self, node: nodes.Element) -> None:
        for child in node.children:
            if isinstance(child, nodes.Element):
                self._node(child)

    def _node(self, node: nodes.Element) -> None:
        if isinstance(node, _SKIPPED):
            return
        if isinstance(node, _LEAVES):
            self._paragraph(self._inline(node))
        elif isinstance(node, nodes.title):
            self._title(node)
        elif isinstance(node, _CODE):
            self.writer.add("code", node.astext())
        elif isinstance(node, nodes.table):
            self._table(node)
        elif isinstance(node, nodes.image):
            self._paragraph(_alternative(node))
        elif isinstance(node, nodes.system_message):
            self._unknown_directive(node)
        else:
            self._nested(node)

    def _nested(self, node: nodes.Element) -> None:
        if isinstance(node, nodes.section):
            self._depth += 1
            self._children(node)
            self._depth -= 1
        elif isinstance(node, _LISTS):
            self._list(node)
        elif isinstance(node, nodes.block_quote):
            self._quotes += 1
            self._children(node)
            self._quotes -= 1
        elif isinstance(node, (nodes.field_name, nodes.option_group)):
            self._paragraph(node.astext() + (":" if isinstance(node, nodes.field_name) else ""))
        else:
            self._children(node)

    def _list(self, node: nodes.Element) -> None:
        self.writer.open_list()
        number = int(node.get("start", 1))
        for item in node.children:
            if isinstance(node, nodes.bullet_list):
                self.writer.start_item("- ")
            elif isinstance(node, nodes.enumerated_list):
                self.writer.start_item(f"{number}. ")
                number += 1
            else:
                self.writer.start_item("")
            if isinstance(item, nodes.Element):
                self._node(item)
        self.writer.close_list()

    def _title(self, node: nodes.Element) -> None:
        text = self._inline(node)
        if isinstance(node.parent, nodes.section):
            self.writer.add("heading", one_line(text), min(self._depth, 6))
        else:
            self._paragraph(text)

    def _paragraph(self, text: str) -> None:
        text = " ".join(text.split())
        if text:
            self.writer.add_paragraph(text, "quote" if self._quotes else "paragraph")

    def _table(self, node: nodes.Element) -> None:
        rows = []
        for row in node.findall(nodes.row):
            cells = [" ".join(cell.astext().split()) for cell in row.children]
            rows.append(" | ".join(cells).strip())
        self.writer.add("table", "\n".join(rows))

    def _inline(self, node: nodes.Element) -> str:
        parts = []
        for child in node.children:
            if isinstance(child, nodes.Text):
                parts.append(child.astext())
            elif isinstance(child, nodes.problematic):
                parts.append(_ROLE.sub(r"\1", child.astext()))
            elif isinstance(child, nodes.substitution_reference):
                parts.append(self._substituted(child))
            elif isinstance(child, nodes.image):
                parts.append(_alternative(child))
            elif isinstance(child, nodes.Element) and not isinstance(child, _SKIPPED):
                parts.append(self._inline(child))
        return "".join(parts)

    def _substituted(self, node: nodes.Element) -> str:
        name = " ".join(node.astext().split())
        return self._substitutions.get(name, name)

    def _unknown_directive(self, message: nodes.Element) -> None:
        """What docutils could not place is quoted in its message: the text of it is kept."""
        for block in message.findall(nodes.literal_block):
            source = block.astext()
            body, found = _DIRECTIVE.subn("", source, count=1)
            for part in textwrap.dedent(body.strip("\n")).split("\n\n"):
                self._paragraph(_ROLE.sub(r"\1", part) if found else _title_text(part))


def _title_text(source: str) -> str:
    """The words of a section title that docutils found inconsistent."""
    lines = [line for line in source.split("\n") if re.search(r"\w", line)]
    return " ".join(lines)


def _alternative(image: nodes.Element) -> str:
    return "" if is_badge(str(image.get("uri", ""))) else str(image.get("alt", ""))
