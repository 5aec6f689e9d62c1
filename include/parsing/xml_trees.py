"""XML from documents of strangers: no document type, no entities, bounded depth and size.

The standard library's expat neither reads files nor the network; entity bombs need a document
type declaration, which no Office, EPUB or OpenDocument part has a use for, so one is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from include.errors import DocumentError
from include.parsing.limits import MEBIBYTE, MOST_NESTED_ELEMENTS, MOST_XML_BYTES

__all__ = ["Element", "attribute", "child", "children", "descendants", "local", "parse_xml",
           "stream"]  # fmt: skip


class _RootReachedError(Exception):
    """The declarations before the root element are over."""


def parse_xml(raw: bytes, part: str, *, allow_doctype: bool = False) -> Element:
    """The root element of a part; `allow_doctype` admits a declaration without entities.

    Raises DocumentError `unsafe_archive` for a document type, `too_large` and `malformed`.
    """
    if len(raw) > MOST_XML_BYTES:
        raise DocumentError(
            "too_large",
            f"{part!r} in it has {len(raw) // MEBIBYTE} MiB of XML; "
            f"the limit is {MOST_XML_BYTES // MEBIBYTE} MiB.",
        )
    try:
        _check_prolog(raw, part, allow_doctype=allow_doctype)
        root = ElementTree.fromstring(raw)  # noqa: S314 (what makes it unsafe was refused above)
    except (ElementTree.ParseError, expat.ExpatError, ValueError, LookupError) as error:
        raise DocumentError("malformed", f"{part!r} in it is not XML: {error}.") from error
    _check_depth(root, part)
    return root


def stream(raw: bytes, part: str, name: str) -> Iterator[Element]:
    """The elements of that local name in document order, each forgotten after its turn.

    For parts of any size; raises as `parse_xml` does.
    """
    try:
        _check_prolog(raw, part, allow_doctype=False)
        parents: list[Element] = []
        for event, element in ElementTree.iterparse(BytesIO(raw), ("start", "end")):  # noqa: S314
            if event == "start":
                parents.append(element)
                if len(parents) > MOST_NESTED_ELEMENTS:
                    raise _too_deep(part)
                continue
            parents.pop()
            if local(element) == name:
                yield element
                if parents:
                    parents[-1].clear()
    except (ElementTree.ParseError, expat.ExpatError, ValueError, LookupError) as error:
        raise DocumentError("malformed", f"{part!r} in it is not XML: {error}.") from error


def _too_deep(part: str) -> DocumentError:
    return DocumentError(
        "malformed", f"{part!r} in it nests deeper than {MOST_NESTED_ELEMENTS} elements."
    )


def _check_prolog(raw: bytes, part: str, *, allow_doctype: bool) -> None:
    def refuse(*_declared: object) -> None:
        raise DocumentError(
            "unsafe_archive", f"{part!r} in it declares XML entities or a document type."
        )

    def stop(*_element: object) -> None:
        raise _RootReachedError

    parser = expat.ParserCreate()
    parser.StartElementHandler = stop
    parser.EntityDeclHandler = refuse
    if not allow_doctype:
        parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(raw, True)
    except _RootReachedError:
        return


def _check_depth(root: Element, part: str) -> None:
    """Walks level by level, so that the check itself needs no stack."""
    level = [root]
    for _ in range(MOST_NESTED_ELEMENTS):
        level = [element for parent in level for element in parent]
        if not level:
            return
    raise _too_deep(part)


def local(element: Element) -> str:
    """An element's name without its namespace, which differs between editions of a format."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element | None, name: str) -> str:
    """The attribute of that local name, of whatever namespace; "" without one."""
    if element is None:
        return ""
    for key, value in element.items():
        if key == name or key.endswith("}" + name):
            return value
    return ""


def children(element: Element | None, name: str) -> Iterator[Element]:
    """The direct children of that local name."""
    return (found for found in (element if element is not None else ()) if local(found) == name)


def child(element: Element | None, *path: str) -> Element | None:
    """The first element down a path of local names."""
    for name in path:
        element = next(children(element, name), None)
    return element


def descendants(element: Element, name: str) -> Iterator[Element]:
    """All elements of that local name below, in document order."""
    return element.iterfind(f".//{{*}}{name}")
