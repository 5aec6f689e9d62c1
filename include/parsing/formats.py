"""One table of formats: which names they have, and what reads them.

A further format joins by one entry. Its reader takes the file's bytes; text formats decode first.
A `Container` holds files of its own and gets the function that reads those. Readers import their
libraries when they are first needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from include.documents import ParsedText
from include.parsing import sniffing
from include.parsing.code_languages import LANGUAGES, CodeLanguage
from include.parsing.decoding import decode
from include.parsing.text import parse_text

Inner = Callable[[str, bytes], ParsedText]


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: its media type, its file extensions, and the reader of its bytes.

    A `binary` format is known by its first bytes; a file without them is not of that format.
    """

    media_type: str
    extensions: tuple[str, ...]
    read: Callable[[bytes], ParsedText]
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """A format that holds files: its reader is also given what reads a file by name and bytes."""

    media_type: str
    extensions: tuple[str, ...]
    read: Callable[[bytes, Inner], ParsedText]
    binary: bool = False


def _read_text(raw: bytes) -> ParsedText:
    return parse_text(decode(raw))


def _read_markdown(raw: bytes) -> ParsedText:
    from include.parsing.markdown import parse_markdown

    return parse_markdown(decode(raw))


def _read_rst(raw: bytes) -> ParsedText:
    from include.parsing.rst import parse_rst

    return parse_rst(decode(raw))


def _read_html(raw: bytes) -> ParsedText:
    from include.parsing.html import declared_charset, parse_html

    return parse_html(decode(raw, declared_charset(raw)))


def _read_code(raw: bytes, language: CodeLanguage) -> ParsedText:
    from include.parsing.code import parse_code

    return parse_code(decode(raw), language)


def _read_notebook(raw: bytes) -> ParsedText:
    from include.parsing.notebook import parse_notebook

    return parse_notebook(decode(raw))


def _read_pdf(raw: bytes) -> ParsedText:
    from include.parsing.pdf import parse_pdf

    return parse_pdf(raw)


def _read_docx(raw: bytes) -> ParsedText:
    from include.parsing.docx import parse_docx

    return parse_docx(raw)


def _read_pptx(raw: bytes) -> ParsedText:
    from include.parsing.pptx import parse_pptx

    return parse_pptx(raw)


def _read_xlsx(raw: bytes) -> ParsedText:
    from include.parsing.xlsx import parse_xlsx

    return parse_xlsx(raw)


def _read_odt(raw: bytes) -> ParsedText:
    from include.parsing.odt import parse_odt

    return parse_odt(raw)


def _read_rtf(raw: bytes) -> ParsedText:
    from include.parsing.rtf import parse_rtf

    return parse_rtf(raw)


def _read_epub(raw: bytes) -> ParsedText:
    from include.parsing.epub import parse_epub

    return parse_epub(raw)


def _read_email(raw: bytes, inner: Inner) -> ParsedText:
    from include.parsing.email import parse_email

    return parse_email(raw, inner)


def _read_xml(raw: bytes) -> ParsedText:
    from include.parsing.xml_document import parse_xml_document

    return parse_xml_document(raw)


TEXT = Format("text/plain", (".txt", ".text", ".log", ".org", ".adoc", ".tex"), _read_text)
HTML = Format(sniffing.HTML, (".html", ".htm", ".xhtml"), _read_html)
FORMATS: tuple[Format | Container, ...] = (
    TEXT,
    Format("text/markdown", (".md", ".markdown"), _read_markdown),
    Format("text/x-rst", (".rst",), _read_rst),
    HTML,
    Format("application/x-ipynb+json", (".ipynb",), _read_notebook),
    *(
        Format(code.media_type, code.extensions, partial(_read_code, language=code))
        for code in LANGUAGES
    ),
    Format("application/xml", (".xml",), _read_xml),
    Format(sniffing.PDF, (".pdf",), _read_pdf, binary=True),
    Format(sniffing.DOCX, (".docx",), _read_docx, binary=True),
    Format(sniffing.PPTX, (".pptx",), _read_pptx, binary=True),
    Format(sniffing.XLSX, (".xlsx",), _read_xlsx, binary=True),
    Format(sniffing.ODT, (".odt",), _read_odt, binary=True),
    Format(sniffing.RTF, (".rtf",), _read_rtf, binary=True),
    Format(sniffing.EPUB, (".epub",), _read_epub, binary=True),
    Container("message/rfc822", (".eml",), _read_email),
)
