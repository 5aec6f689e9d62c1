"""PPTX: a page per slide with its title as heading, its lists, tables, diagrams and notes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing.blocks import BlockWriter, one_line
from include.parsing.limits import MOST_PAGES
from include.parsing.packages import Package
from include.parsing.xml_trees import Element, attribute, child, children, descendants, local

_FURNITURE = frozenset(("sldNum", "dt", "ftr", "hdr"))
_TITLES = {"ctrTitle": 1, "title": 2}
_LISTS = frozenset(("body", "obj", ""))
_NUMBERED = re.compile(r"\s*\d{1,3}[.)]\s")
_BULLETS = frozenset(("buChar", "buAutoNum", "buBlip"))


def parse_pptx(raw: bytes) -> ParsedText:
    """The slides of a presentation in their order; a title slide's title is the document's.

    Raises DocumentError `no_pages`, `too_large`, `malformed` and those of archives.
    """
    package = Package(raw)
    title, metadata = package.properties()
    slides = _slides(package)
    if not slides:
        raise DocumentError("no_pages", "The presentation has no slides.")
    if len(slides) > MOST_PAGES:
        raise DocumentError("too_large", f"It has more slides than the limit of {MOST_PAGES}.")
    writer = BlockWriter()
    for name in slides:
        writer.start_page()
        _write_slide(package, name, writer)
    return writer.finish(title, metadata)


def _slides(package: Package) -> list[str]:
    part = package.main_part("ppt/presentation.xml")
    relations = package.relations(part)
    wanted = children(child(package.xml(part), "sldIdLst"), "sldId")
    found = (relations.get(_relation(entry)) for entry in wanted)
    return [relation[1] for relation in found if relation]


def _relation(entry: Element) -> str:
    """The `r:id` of a slide, which has an `id` of its own beside it."""
    return next((value for key, value in entry.items() if key.endswith("}id")), "")


def _write_slide(package: Package, name: str, writer: BlockWriter) -> None:
    slide = package.xml(name)
    tree = child(slide, "cSld", "spTree")
    if tree is None:
        return
    shapes = sorted(_shapes(tree), key=lambda shape: _placeholder(shape) not in _TITLES)
    for shape in shapes:
        _write_shape(shape, writer)
    for part in package.related(name, "diagramData"):
        _write_diagram(package.xml(part), writer)
    for part in package.related(name, "notesSlide"):
        _write_notes(package.xml(part), writer)


def _shapes(tree: Element) -> Iterator[Element]:
    for element in tree:
        if local(element) in ("grpSp", "AlternateContent", "Choice"):
            yield from _shapes(element)
        elif local(element) in ("sp", "graphicFrame", "cxnSp"):
            yield element


def _placeholder(shape: Element) -> str | None:
    """The kind of placeholder that a shape fills; None for a free one."""
    found = child(shape, "nvSpPr", "nvPr", "ph")
    return None if found is None else attribute(found, "type")


def _write_shape(shape: Element, writer: BlockWriter) -> None:
    kind = _placeholder(shape)
    body = child(shape, "txBody")
    if kind in _FURNITURE:
        return
    if kind in _TITLES and body is not None:
        text = " ".join(_text(paragraph) for paragraph in children(body, "p"))
        writer.add("heading", one_line(text), _TITLES[kind])
    elif body is not None:
        _write_body(body, writer, is_list=kind in _LISTS)
    for table in descendants(shape, "tbl"):
        writer.add_table(
            [" ".join(map(_text, descendants(cell, "p"))) for cell in children(row, "tc")]
            for row in children(table, "tr")
        )


def _write_body(body: Element, writer: BlockWriter, *, is_list: bool) -> None:
    """A list where there are several paragraphs in a list's place, or bullets of their own."""
    paragraphs = [(paragraph, _text(paragraph)) for paragraph in children(body, "p")]
    several = sum(bool(text.strip()) for _, text in paragraphs) > 1
    for paragraph, text in paragraphs:
        properties = child(paragraph, "pPr")
        marks = {local(entry) for entry in properties} if properties is not None else set()
        bulleted = marks & _BULLETS or (is_list and several and "buNone" not in marks)
        level = attribute(properties, "lvl")
        if bulleted:
            marker = "" if _NUMBERED.match(text) else "- "
            writer.add_item(text.strip(), marker, int(level) if level in tuple("12345678") else 0)
        else:
            writer.add("paragraph", text.strip())


def _text(paragraph: Element) -> str:
    parts = []
    for element in paragraph.iter():
        if local(element) == "t":
            parts.append(element.text or "")
        elif local(element) == "br":
            parts.append("\n")
    return "".join(parts).replace("\x0b", "\n")


def _write_diagram(root: Element | None, writer: BlockWriter) -> None:
    for point in descendants(root, "pt") if root is not None else ():
        text = " ".join(_text(paragraph) for paragraph in descendants(point, "p"))
        writer.add_item(text.strip())


def _write_notes(root: Element | None, writer: BlockWriter) -> None:
    tree = child(root, "cSld", "spTree")
    for shape in _shapes(tree) if tree is not None else ():
        if _placeholder(shape) == "body":
            text = "\n".join(_text(paragraph) for paragraph in descendants(shape, "p")).strip()
            writer.add("paragraph", text and f"Notes: {text}")
