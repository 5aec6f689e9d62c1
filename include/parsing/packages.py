"""Office Open XML packages (DOCX, PPTX, XLSX): parts, the relations between them, properties.

Read with the standard library instead of python-docx, python-pptx and openpyxl: those unpack all
parts, fail on packages that Office opens, and hide text boxes, content controls and field codes.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from include.errors import DocumentError
from include.parsing.archives import Archive
from include.parsing.xml_trees import Element, attribute, children, local, parse_xml

_PROPERTIES = {
    "creator": "author",
    "subject": "subject",
    "description": "description",
    "keywords": "keywords",
    "language": "lang",
    "created": "date",
    "modified": "modified",
}
_TITLES_OF_PROGRAMS = re.compile(
    r"(microsoft )?(word|powerpoint|excel)\b.*|untitled.*|unbenannt.*|untitre.*"
    r"|(document|presentation|präsentation|dokument|slide|folie|title)[ _-]*\d*|.*\.\w{2,4}",
    re.IGNORECASE,
)


class Package:
    """The parts of a package by name, XML parts as trees."""

    def __init__(self, raw: bytes) -> None:
        self._archive = Archive(raw).check()

    def xml(self, name: str) -> Element | None:
        """The root of an XML part; None when the package has no such part."""
        raw = self.content(name)
        return parse_xml(raw, name) if raw else None

    def content(self, name: str) -> bytes:
        """A part's bytes; b"" when there is none."""
        return self._archive.read(name)

    def main_part(self, fallback: str) -> str:
        """The name of the part that holds the document."""
        for kind, target in self.relations("").values():
            if kind == "officeDocument" and target in self._archive:
                return target
        if fallback in self._archive:
            return fallback
        raise DocumentError("malformed", f"The archive has no {fallback!r}.")

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """The relations of a part by id: their kind and the name of the part they lead to."""
        folder, name = posixpath.split(part)
        root = self.xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        return {
            attribute(relation, "Id"): (
                attribute(relation, "Type").rpartition("/")[2],
                posixpath.normpath(posixpath.join(folder, attribute(relation, "Target"))).lstrip(
                    "/"
                ),
            )
            for relation in children(root, "Relationship")
            if attribute(relation, "TargetMode") != "External"
        }

    def related(self, part: str, kind: str) -> Iterator[str]:
        """The names of the parts of a kind that a part refers to."""
        return (target for found, target in self.relations(part).values() if found == kind)

    def properties(self) -> tuple[str, dict[str, object]]:
        """The document's title and its metadata, as its author's program noted them."""
        name = next(self.related("", "core-properties"), "docProps/core.xml")
        root = self.xml(name)
        values = {local(entry): (entry.text or "").strip() for entry in root or ()}
        return meaningful_title(values.get("title", "")), {
            key: values[name] for name, key in _PROPERTIES.items() if values.get(name)
        }


def meaningful_title(title: str) -> str:
    """The title, unless a program made it up (`Microsoft Word - x.doc`, `PowerPoint Presentation`)."""
    title = " ".join(title.split())
    return "" if _TITLES_OF_PROGRAMS.fullmatch(title) else title
