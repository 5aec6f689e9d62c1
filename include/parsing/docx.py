"""DOCX: headings by style, lists, tables, text boxes, footnotes; read as a package of XML parts.

Left out, because a reader of the page does not read them as its text: headers and footers,
tables of contents, comments, deleted and hidden text, field codes.
"""

from __future__ import annotations

from collections.abc import Iterator

from include.documents import ParsedText
from include.parsing.blocks import BlockWriter, one_line
from include.parsing.docx_runs import PAGE, RunText, cut_by_pages, rendered_pages
from include.parsing.docx_styles import Numbering, Styles
from include.parsing.packages import Package
from include.parsing.xml_trees import Element, attribute, child, children, descendants, local

_TRANSPARENT = frozenset(("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag"))


def parse_docx(raw: bytes) -> ParsedText:
    """The body of a Word document; pages are those its program last laid out, where noted.

    Raises DocumentError `malformed` and those of archives.
    """
    package = Package(raw)
    part = package.main_part("word/document.xml")
    title, metadata = package.properties()
    return _Walk(package, part).read().finish(title, metadata)


class _Walk:
    """Reads the body once, in document order, into `writer`."""

    def __init__(self, package: Package, part: str) -> None:
        def related(kind: str) -> Element | None:
            return next((package.xml(name) for name in package.related(part, kind)), None)

        self.writer = BlockWriter()
        self._root = package.xml(part)
        self._styles = Styles(related("styles"))
        self._numbering = Numbering(related("numbering"))
        self._notes = {kind: related(f"{kind}s") for kind in ("footnote", "endnote")}
        rendered = self._root is not None and rendered_pages(self._root)
        self._runs = RunText(rendered=rendered)

    def read(self) -> BlockWriter:
        body = child(self._root, "body")
        if body is not None:
            if self._root is not None and self._runs.has_pages(self._root):
                self.writer.start_page()
            self._blocks(body)
            self._write_notes()
        return self.writer

    def _blocks(self, parent: Element) -> None:
        for element in parent:
            name = local(element)
            if name == "p":
                self._paragraph(element)
            elif name == "tbl":
                self._table(element)
            elif name in _TRANSPARENT:
                self._blocks(element)

    def _paragraph(self, element: Element) -> None:
        properties = child(element, "pPr")
        style = attribute(child(properties, "pStyle"), "val")
        boxes: list[Element] = []
        text = self._runs.text(element, boxes)
        if self._styles.kind(style) != "contents":
            for part in cut_by_pages(text):
                if part == PAGE:
                    self.writer.start_page()
                else:
                    self._write(part, style, properties)
        for box in boxes:
            self._blocks(box)

    def _write(self, text: str, style: str, properties: Element | None) -> None:
        kind = self._styles.kind(style)
        level = self._styles.level(style, properties)
        item = (
            self._numbering.item(properties, self._styles.numbering(style))
            if text.strip()
            else None
        )
        if kind == "code":
            self.writer.add("code", text, joined=True)
        elif level:
            self.writer.add("heading", one_line(text), level)
        elif item:
            self.writer.add_item(text.strip(), *item)
        else:
            self.writer.add("quote" if kind == "quote" else "paragraph", text.strip())

    def _table(self, element: Element) -> None:
        """A table of one column lays out a page: its content is read as blocks."""
        rows = [list(_cells(row)) for row in _rows(element)]
        if all(len(row) <= 1 for row in rows):
            for row in rows:
                for cell in row:
                    self._blocks(cell)
        else:
            self.writer.add_table([self._cell(cell) for cell in row] for row in rows)

    def _cell(self, cell: Element) -> str:
        merged = child(cell, "tcPr", "vMerge")
        if merged is not None and attribute(merged, "val") != "restart":
            return ""  # the cell above reaches down to here
        boxes: list[Element] = []
        texts = [self._runs.text(found, boxes) for found in descendants(cell, "p")]
        return " ".join(text.replace(PAGE, " ") for text in texts)

    def _write_notes(self) -> None:
        for number, (kind, identity) in enumerate(self._runs.notes, start=1):
            for note in children(self._notes[kind], kind):
                if attribute(note, "id") == identity:
                    texts = [self._runs.text(found, []) for found in descendants(note, "p")]
                    self.writer.add("paragraph", f"[{number}] {' '.join(texts).strip()}")


def _rows(table: Element) -> Iterator[Element]:
    for element in table:
        if local(element) == "tr":
            yield element
        elif local(element) in _TRANSPARENT:
            yield from _rows(element)


def _cells(row: Element) -> Iterator[Element]:
    for element in row:
        if local(element) == "tc":
            yield element
        elif local(element) in _TRANSPARENT:
            yield from _cells(element)
