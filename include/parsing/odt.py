"""OpenDocument text: headings, lists, tables, footnotes; read as the XML parts it consists of."""

from __future__ import annotations

import re

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing.archives import Archive
from include.parsing.blocks import BlockWriter, one_line
from include.parsing.packages import meaningful_title
from include.parsing.xml_trees import Element, attribute, child, descendants, local, parse_xml

_SKIPPED = frozenset(
    ("tracked-changes", "annotation", "annotation-end", "table-of-content", "illustration-index",
     "alphabetical-index", "table-index", "sequence-decls", "forms", "title", "bookmark", "ruby-text")
)  # fmt: skip
_METADATA = {
    "initial-creator": "author",
    "creator": "author",
    "subject": "subject",
    "description": "description",
    "keyword": "keywords",
    "language": "lang",
    "creation-date": "date",
    "date": "modified",
}


def parse_odt(raw: bytes) -> ParsedText:
    """The body of an OpenDocument text.

    Raises DocumentError `encrypted`, `malformed` and those of archives.
    """
    archive = Archive(raw).check()
    if b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise DocumentError("encrypted", "It is protected; save it without a password.")
    root = parse_xml(archive.read("content.xml"), "content.xml")
    walk = _Walk()
    body = child(root, "body", "text")
    if body is not None:
        walk.blocks(body, 0)
    walk.write_notes()
    return walk.writer.finish(*_described(archive))


class _Walk:
    """Reads the body once, in document order, into `writer`."""

    def __init__(self) -> None:
        self.writer = BlockWriter()
        self._notes: list[Element] = []

    def blocks(self, parent: Element, depth: int) -> None:
        for element in parent:
            name = local(element)
            if name == "h":
                self._heading(element)
            elif name == "p":
                self._paragraph(element, depth)
            elif name == "table":
                self._table(element)
            elif name in ("list", "list-item", "list-header"):
                self.blocks(element, depth + (name == "list"))
            elif name not in _SKIPPED:
                self.blocks(element, depth)

    def _heading(self, element: Element) -> None:
        level = attribute(element, "outline-level")
        level = level if re.fullmatch("[1-9]", level) else "1"
        self.writer.add("heading", one_line(self._text(element)), min(int(level), 6))

    def _paragraph(self, element: Element, depth: int) -> None:
        text = self._text(element).strip()
        if depth:
            self.writer.add_item(text, depth=depth - 1)
        else:
            self.writer.add("paragraph", text)
        for box in descendants(element, "text-box"):
            self.blocks(box, 0)

    def _table(self, element: Element) -> None:
        rows = []
        for row in descendants(element, "table-row"):
            cells = [cell for cell in row if local(cell) in ("table-cell", "covered-table-cell")]
            rows.append([" ".join(self._text(found) for found in cell) for cell in cells])
        self.writer.add_table(rows)

    def _text(self, element: Element) -> str:
        parts: list[str] = [element.text or ""]
        for part in element:
            parts.append(self._part(part))
            parts.append(part.tail or "")
        return re.sub(r"[ \t\r\n]*[\r\n\t][ \t\r\n]*", " ", "".join(parts)).replace("\x0b", "\n")

    def _part(self, part: Element) -> str:
        name = local(part)
        if name == "s":
            count = attribute(part, "c")
            return " " * (int(count) if re.fullmatch(r"\d{1,3}", count, re.ASCII) else 1)
        if name == "tab":
            return " "
        if name == "line-break":
            return "\x0b"
        if name == "note":
            self._notes.append(part)
            return f"[{len(self._notes)}]"
        return "" if name in _SKIPPED or name == "text-box" else self._text(part)

    def write_notes(self) -> None:
        """The notes behind the text, numbered in the order of their marks."""
        for number, note in enumerate(list(self._notes), start=1):
            body = child(note, "note-body")
            text = " ".join(self._text(part) for part in body) if body is not None else ""
            self.writer.add("paragraph", f"[{number}] {text.strip()}")


def _described(archive: Archive) -> tuple[str, dict[str, object]]:
    raw = archive.read("meta.xml")
    meta = child(parse_xml(raw, "meta.xml"), "meta") if raw else None
    values: dict[str, str] = {}
    for entry in meta if meta is not None else ():
        if entry.text and entry.text.strip():
            values.setdefault(local(entry), " ".join(entry.text.split()))
    metadata: dict[str, object] = {}
    for name, key in _METADATA.items():
        if name in values:
            metadata.setdefault(key, values[name])
    return meaningful_title(values.get("title", "")), metadata
