"""What a Word document's styles and numbering say: heading levels, code, quotes, list markers."""

from __future__ import annotations

import re
from collections import defaultdict

from include.parsing.xml_trees import Element, attribute, child, children

_HEADING = re.compile(r"heading\s*([1-9])")
_KINDS = (
    ("contents", re.compile(r"toc\b.*|table of (contents|figures).*|toc heading")),
    ("quote", re.compile(r"(intense )?quote|block ?text")),
    (
        "code",
        re.compile(r"(source )?code( block)?|html preformatted|preformatted( text)?|macro( text)?"),
    ),
)
_BODY_LEVEL = 9  # outlineLvl 9 is running text
_MOST_STYLES_BASED_ON_EACH_OTHER = 20


class Styles:
    """Paragraph styles by id, with what they inherit."""

    def __init__(self, root: Element | None) -> None:
        self._styles = {attribute(style, "styleId"): style for style in children(root, "style")}

    def kind(self, style: str) -> str:
        """`contents`, `quote`, `code` or ""."""
        name = self._name(style)
        return next((kind for kind, pattern in _KINDS if pattern.fullmatch(name)), "")

    def level(self, style: str, properties: Element | None) -> int:
        """The level of a heading from 1 to 6, 0 for running text."""
        direct = attribute(child(properties, "outlineLvl"), "val")
        name = self._name(style)
        named = _HEADING.fullmatch(name)
        if direct:
            return _level(direct)
        if name == "title":
            return 1
        return min(int(named[1]), 6) if named else _level(self._inherited(style, "outlineLvl"))

    def numbering(self, style: str) -> tuple[str, str]:
        """The number and level of the list that a style belongs to."""
        for properties in self._chain(style):
            numbering = child(properties, "numPr")
            if numbering is not None:
                return _reference(numbering)
        return "", ""

    def _name(self, style: str) -> str:
        found = self._styles.get(style)
        return (attribute(child(found, "name"), "val") or style).casefold()

    def _inherited(self, style: str, name: str) -> str:
        values = (attribute(child(properties, name), "val") for properties in self._chain(style))
        return next((value for value in values if value), "")

    def _chain(self, style: str) -> list[Element]:
        """The paragraph properties of a style and of those it is based on, nearest first."""
        chain: list[Element] = []
        for _ in range(_MOST_STYLES_BASED_ON_EACH_OTHER):
            found = self._styles.get(style)
            if found is None:
                break
            properties = child(found, "pPr")
            if properties is not None:
                chain.append(properties)
            style = attribute(child(found, "basedOn"), "val")
        return chain


class Numbering:
    """Counts the items of every list of a document."""

    def __init__(self, root: Element | None) -> None:
        abstract = {
            attribute(entry, "abstractNumId"): entry for entry in children(root, "abstractNum")
        }
        self._lists = {
            attribute(entry, "numId"): abstract.get(attribute(child(entry, "abstractNumId"), "val"))
            for entry in children(root, "num")
        }
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)

    def item(self, properties: Element | None, of_style: tuple[str, str]) -> tuple[str, int] | None:
        """The marker and the depth of a list item; None for a paragraph outside of lists."""
        numbering = child(properties, "numPr")
        direct = _reference(numbering) if numbering is not None else ("", "")
        number, level = direct[0] or of_style[0], _integer(direct[1] or of_style[1])
        if number in ("", "0"):
            return None
        depth = min(level, 8)
        definition = self._level(number, depth)
        counts = self._counts[number]
        start = _integer(attribute(child(definition, "start"), "val"), 1)
        counts[depth] = counts.get(depth, start - 1) + 1
        for deeper in [entry for entry in counts if entry > depth]:
            del counts[deeper]
        return _marker(attribute(child(definition, "numFmt"), "val"), counts[depth]), depth

    def _level(self, number: str, depth: int) -> Element | None:
        levels = children(self._lists.get(number), "lvl")
        return next(
            (level for level in levels if _integer(attribute(level, "ilvl")) == depth), None
        )


def _reference(numbering: Element) -> tuple[str, str]:
    return (
        attribute(child(numbering, "numId"), "val"),
        attribute(child(numbering, "ilvl"), "val"),
    )


def _marker(form: str, count: int) -> str:
    if form in ("", "bullet", "none"):
        return "- "
    if form.endswith("Letter") and 1 <= count <= 26:
        letter = chr(ord("a") + count - 1)
        return f"{letter.upper() if form.startswith('upper') else letter}. "
    return f"{count}. "


def _level(value: str) -> int:
    level = _integer(value, _BODY_LEVEL)
    return min(level + 1, 6) if 0 <= level < _BODY_LEVEL else 0


def _integer(value: str, default: int = 0) -> int:
    return int(value) if re.fullmatch(r"-?\d{1,9}", value, re.ASCII) else default
