"""XML of any vocabulary: running text as paragraphs, fields with their names, in document order."""

from __future__ import annotations

import re

from include.documents import ParsedText
from include.parsing.blocks import BlockWriter
from include.parsing.decoding import decode
from include.parsing.xml_trees import Element, local, parse_xml

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def parse_xml_document(raw: bytes) -> ParsedText:
    """Elements with text and elements in it become paragraphs, leaves `name: text` lines.

    Attributes and comments are left out. Raises DocumentError `malformed`, `too_large` and
    `unsafe_archive` (entities, a document type).
    """
    writer = BlockWriter()
    text = _DECLARATION.sub("", decode(raw))  # its encoding is often a lie
    _write(parse_xml(text.encode(), "The document", allow_doctype=True), writer)
    return writer.finish()


def _write(element: Element, writer: BlockWriter) -> None:
    if _is_running_text(element) or not len(element):
        writer.add("paragraph", " ".join("".join(element.itertext()).split()))
        return
    fields: list[str] = []
    for inner in element:
        if len(inner):
            writer.add("list", "\n".join(fields))
            fields.clear()
            _write(inner, writer)
        elif text := " ".join((inner.text or "").split()):
            fields.append(f"{local(inner)}: {text}")
    writer.add("list", "\n".join(fields))


def _is_running_text(element: Element) -> bool:
    own = (element.text, *(inner.tail for inner in element))
    return any(text and not text.isspace() for text in own)
