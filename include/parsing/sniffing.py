"""What a file is by its content, where that is unmistakable, whatever its name says."""

from __future__ import annotations

import re

from include.errors import DocumentError
from include.parsing.archives import ZIP_MAGIC, Archive

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
EPUB = "application/epub+zip"
PDF = "application/pdf"
RTF = "application/rtf"
HTML = "text/html"

_OLE_MAGIC = b"\xd0\xcf\x11\xe0"
_ENCRYPTED_OFFICE = "EncryptedPackage".encode("utf-16-le")
_PDF_HEADER_WITHIN = 1024  # PDF 1.7, appendix H: readers accept the header in the first kilobyte
_MAIN_PARTS = (("word/document", DOCX), ("ppt/presentation", PPTX), ("xl/workbook.xml", XLSX))
_LOOKS_LIKE_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html)\b",
    re.IGNORECASE | re.DOTALL,
)


def binary_type(raw: bytes) -> str | None:
    """The media type of a document whose first bytes name its format; None for any other file.

    Raises DocumentError `encrypted` for an Office file with a password, which is no ZIP archive.
    """
    if raw.startswith(b"%PDF-"):
        return PDF
    if raw.startswith(b"{\\rtf"):
        return RTF
    if raw.startswith(_OLE_MAGIC) and _ENCRYPTED_OFFICE in raw:
        raise DocumentError("encrypted", "It is protected; save it without a password.")
    return _archive_type(raw) if raw.startswith(ZIP_MAGIC) else None


def has_late_pdf_header(raw: bytes) -> bool:
    """Whether a PDF begins after some bytes that do not belong to it."""
    return b"%PDF-" in raw[:_PDF_HEADER_WITHIN]


def is_old_office(raw: bytes) -> bool:
    """Whether this is an Office file of the kind that programs wrote before 2007."""
    return raw.startswith(_OLE_MAGIC)


def looks_like_html(raw: bytes) -> bool:
    """Whether the file opens with a document type or root element of HTML."""
    return _LOOKS_LIKE_HTML.match(raw[:2048]) is not None


def _archive_type(raw: bytes) -> str | None:
    try:
        archive = Archive(raw)
    except DocumentError as error:
        if error.reason == "malformed":
            return None
        raise
    names = archive.names
    if "META-INF/container.xml" in names:
        return EPUB
    for main_part, media_type in _MAIN_PARTS:
        if any(name.startswith(main_part) for name in names):
            return media_type
    declared = archive.read("mimetype")[:100] if "mimetype" in names else b""
    return ODT if declared.strip() == ODT.encode() else None
