"""EPUB: the chapters of a book in the order of its spine, read as the web pages they are."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing.archives import Archive
from include.parsing.blocks import BlockWriter
from include.parsing.decoding import decode
from include.parsing.xml_trees import (
    Element,
    attribute,
    child,
    children,
    descendants,
    local,
    parse_xml,
)

_METADATA = {
    "creator": "author",
    "language": "lang",
    "date": "date",
    "description": "description",
    "subject": "keywords",
    "publisher": "publisher",
}
_FONT_OBFUSCATION = frozenset(
    ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
)
# XHTML may close any element at once; HTML reads such a <title/> as one that never ends.
_SELF_CLOSED = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)"
    r"([A-Za-z][\w:-]{0,40})((?:\s[^<>]{0,2000})?)/>"
)


def parse_epub(raw: bytes) -> ParsedText:
    """The text of a book, without its table of contents.

    Raises DocumentError `encrypted`, `malformed`, `no_pages` and those of archives.
    """
    archive = Archive(raw).check()
    name = _package_name(archive)
    package = parse_xml(archive.read(name), name, allow_doctype=True)
    chapters = list(_chapters(package, posixpath.dirname(name)))
    if not chapters:
        raise DocumentError("no_pages", "The book's spine names no chapter.")
    _refuse_encrypted(archive, chapters)
    writer = BlockWriter()
    for chapter in chapters:
        writer.add_parsed(_read_chapter(archive.read(chapter)))
    title, metadata = _described(package)
    return writer.finish(title, metadata)


def _package_name(archive: Archive) -> str:
    container = parse_xml(archive.read("META-INF/container.xml"), "META-INF/container.xml")
    found = next(descendants(container, "rootfile"), None)
    name = attribute(found, "full-path")
    if name not in archive:
        raise DocumentError("malformed", f"Its container names no package: {name!r}.")
    return name


def _chapters(package: Element, folder: str) -> Iterator[str]:
    manifest = {
        attribute(item, "id"): item for item in children(child(package, "manifest"), "item")
    }
    for reference in children(child(package, "spine"), "itemref"):
        item = manifest.get(attribute(reference, "idref"))
        contents = "nav" in attribute(item, "properties").split()
        if item is not None and not contents and attribute(reference, "linear") != "no":
            path = posixpath.normpath(posixpath.join(folder, unquote(attribute(item, "href"))))
            if attribute(item, "media-type").endswith(("html", "html+xml", "xml")):
                yield path


def _refuse_encrypted(archive: Archive, chapters: list[str]) -> None:
    """Fonts are often obfuscated, which harms no text; encrypted chapters are another matter."""
    raw = archive.read("META-INF/encryption.xml")
    if not raw:
        return
    for data in descendants(parse_xml(raw, "META-INF/encryption.xml"), "EncryptedData"):
        method = attribute(next(descendants(data, "EncryptionMethod"), None), "Algorithm")
        name = attribute(next(descendants(data, "CipherReference"), None), "URI")
        if method not in _FONT_OBFUSCATION and unquote(name) in chapters:
            raise DocumentError(
                "encrypted", f"Its chapter {name!r} is encrypted (copy protection)."
            )


def _read_chapter(raw: bytes) -> ParsedText:
    from include.parsing.html import declared_charset, parse_html

    if not raw.strip():
        return ParsedText("", ())
    return parse_html(_SELF_CLOSED.sub(r"<\1\2></\1>", decode(raw, declared_charset(raw))))


def _described(package: Element) -> tuple[str, dict[str, object]]:
    """The book's title and its metadata; several authors or subjects are one list of words."""
    title, values = "", dict[str, list[str]]()
    for entry in child(package, "metadata") or ():
        for found in entry if local(entry) == "dc-metadata" else [entry]:
            text = " ".join((found.text or "").split())
            if local(found) == "title":
                title = title or text
            elif local(found) in _METADATA and text:
                values.setdefault(_METADATA[local(found)], []).append(text)
    return title, {
        key: ", ".join(dict.fromkeys(texts)) if key in ("author", "keywords") else texts[0]
        for key, texts in values.items()
    }
