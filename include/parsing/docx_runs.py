"""The text of a Word paragraph: its runs, formulas and notes, without what is deleted or hidden."""

from __future__ import annotations

import re

from include.parsing.xml_trees import Element, attribute, child, descendants, local

PAGE = "\f"
_SKIPPED = frozenset(
    (
        "del",
        "moveFrom",
        "instrText",
        "delText",
        "pPr",
        "rPr",
        "Fallback",
        "sectPr",
        "numPr",
        "docPart",
    )
)
_LITERAL = {"tab": "\t", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_BETWEEN = {"f": "/", "sSup": "^", "sSub": "_"}
_COMPOUND = re.compile(r"[-+/*=^_ ]")
_NOTES = {"footnoteReference": "footnote", "endnoteReference": "endnote"}


def rendered_pages(root: Element) -> bool:
    """Whether Word noted where its pages ended when it last laid the document out."""
    return next(descendants(root, "lastRenderedPageBreak"), None) is not None


def cut_by_pages(text: str) -> list[str]:
    """The text's pieces with `PAGE` between them, as separate entries."""
    pieces: list[str] = []
    for number, piece in enumerate(text.split(PAGE)):
        pieces += [PAGE, piece] if number else [piece]
    return pieces


class RunText:
    """Reads paragraphs; `notes` are the kinds and ids of the notes met, in order of their marks."""

    def __init__(self, *, rendered: bool) -> None:
        self.notes: list[tuple[str, str]] = []
        self._rendered = rendered

    def has_pages(self, root: Element) -> bool:
        """Whether the document tells where a page begins."""
        return self._rendered or any(
            attribute(found, "type") == "page" for found in descendants(root, "br")
        )

    def text(self, paragraph: Element, boxes: list[Element]) -> str:
        """A paragraph's text, a `PAGE` at each page break; text boxes in it are added to `boxes`."""
        parts: list[str] = []
        self._read(paragraph, parts, boxes)
        return "".join(parts)

    def _read(self, parent: Element, parts: list[str], boxes: list[Element]) -> None:
        for element in parent:
            name = local(element)
            if name == "t":
                parts.append(element.text or "")
            elif name == "txbxContent":
                boxes.append(element)
            elif name == "AlternateContent":
                self._read_alternative(element, parts, boxes)
            elif name == "r" and _is_hidden(element):
                continue
            elif name in _BETWEEN:
                self._read_formula(element, _BETWEEN[name], parts, boxes)
            elif name not in _SKIPPED:
                parts.append(self._mark(element, name))
                self._read(element, parts, boxes)

    def _read_alternative(self, element: Element, parts: list[str], boxes: list[Element]) -> None:
        """The same content is given twice, for newer and older programs: one of them counts."""
        chosen = child(element, "Choice")
        if chosen is None:
            chosen = child(element, "Fallback")
        if chosen is not None:
            self._read(chosen, parts, boxes)

    def _read_formula(
        self, element: Element, between: str, parts: list[str], boxes: list[Element]
    ) -> None:
        operands = []
        for operand in element:
            inner: list[str] = []
            self._read(operand, inner, boxes)
            operands.append("".join(inner))
        shown = (f"({text})" if _COMPOUND.search(text) else text for text in operands if text)
        parts.append(between.join(shown))

    def _mark(self, element: Element, name: str) -> str:
        if name == "br":
            page = attribute(element, "type") == "page"
            return "\n" if not page else "" if self._rendered else PAGE
        if name == "lastRenderedPageBreak":
            return PAGE
        if name in _NOTES:
            self.notes.append((_NOTES[name], attribute(element, "id")))
            return f"[{len(self.notes)}]"
        if name == "docPr":
            return " ".join(attribute(element, "descr").split())
        return _LITERAL.get(name, "")


def _is_hidden(run: Element) -> bool:
    vanish = child(run, "rPr", "vanish")
    return vanish is not None and attribute(vanish, "val") not in ("0", "false")
