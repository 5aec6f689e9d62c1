"""One table of formats: which names they have, and what reads them.

A further format joins by one entry. Its reader takes the file's bytes; text formats decode first.
A `Container` holds files of its own and gets the function that reads those. Readers import their
libraries when they are first needed. Content that is unmistakable wins over the name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing import sniffing
from include.parsing.archives import GZIP_MAGIC, gunzip
from include.parsing.code_languages import LANGUAGES, CodeLanguage
from include.parsing.decoding import decode
from include.parsing.limits import MOST_NESTED_FILES
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


_TEXT = Format("text/plain", (".txt", ".text", ".log", ".org", ".adoc", ".tex"), _read_text)
_HTML = Format(sniffing.HTML, (".html", ".htm", ".xhtml"), _read_html)
FORMATS: tuple[Format | Container, ...] = (
    _TEXT,
    Format("text/markdown", (".md", ".markdown"), _read_markdown),
    Format("text/x-rst", (".rst",), _read_rst),
    _HTML,
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
_BY_EXTENSION = {extension: entry for entry in FORMATS for extension in entry.extensions}
_BY_MEDIA_TYPE = {entry.media_type: entry for entry in FORMATS}
_GZIP = ".gz"


def media_type(name: str) -> str | None:
    """The media type that a file name promises; None for a format that cannot be read.

    A name without an extension is taken for plain text until its content says otherwise; one
    that ends in `.gz` promises what it promises without it.
    """
    name = _without_gzip(name)
    extension = PurePosixPath(name).suffix.lower()
    known = _BY_EXTENSION.get(extension) if extension else _TEXT
    return known.media_type if known else None


def parse(name: str, raw: bytes) -> ParsedText:
    """The text, structure, title and metadata of a file, chosen by its extension and content.

    Raises DocumentError with one of the reasons `empty`, `unsupported_format`, `binary`,
    `encoding`, `malformed`, `no_text`, `encrypted`, `image_only`, `no_pages`, `too_large` and
    `unsafe_archive`.
    """
    return _parse(name, raw, 0)


def _parse(name: str, raw: bytes, depth: int) -> ParsedText:
    if depth > MOST_NESTED_FILES:
        raise DocumentError("unsafe_archive", f"{name!r} lies {depth} files deep in another.")
    if not raw.strip(b" \t\r\n\0"):
        raise DocumentError("empty", f"{name!r} holds no bytes but white space.")
    try:
        inner = _without_gzip(name)
        if inner != name and raw.startswith(GZIP_MAGIC):
            if _named(inner) is None:
                raise _unsupported(inner)
            return _parse(inner, gunzip(raw), depth + 1)
        chosen = _format(name, raw)
        if isinstance(chosen, Container):
            parsed = chosen.read(raw, partial(_parse, depth=depth + 1))
        else:
            parsed = chosen.read(raw)
    except DocumentError as error:
        detail = error.detail if repr(name) in error.detail else f"{name!r}: {error.detail}"
        raise DocumentError(error.reason, detail) from error
    if not parsed.blocks:
        raise DocumentError("no_text", f"{name!r} is {chosen.media_type} without any text.")
    return parsed


def _format(name: str, raw: bytes) -> Format | Container:
    """By the content where it is unmistakable, else by the name; a name alone is not believed."""
    known = sniffing.binary_type(raw)
    if known:
        return _BY_MEDIA_TYPE[known]
    named = _named(_without_gzip(name))
    if named and not named.binary and PurePosixPath(name).suffix:
        return named
    if sniffing.looks_like_html(raw):
        return _HTML
    if named is None:
        raise _unsupported(name)
    if named.binary and not (
        named.media_type == sniffing.PDF and sniffing.has_late_pdf_header(raw)
    ):
        raise _not_what_it_is_called(named, raw)
    return named


def _named(name: str) -> Format | Container | None:
    extension = PurePosixPath(name).suffix.lower()
    return _BY_EXTENSION.get(extension) if extension else _TEXT


def _without_gzip(name: str) -> str:
    return name[: -len(_GZIP)] if name.lower().endswith(_GZIP) else name


def _unsupported(name: str) -> DocumentError:
    return DocumentError(
        "unsupported_format",
        f"{name!r} has the extension {PurePosixPath(name).suffix.lower()!r}; "
        f"which is not read; docs/operations.md lists what is. Convert the file, or leave it out "
        f"with RAG_SOURCE_EXCLUDE.",
    )


def _not_what_it_is_called(named: Format | Container, raw: bytes) -> DocumentError:
    """What to say of a DOCX, PDF and so on that does not begin like one."""
    if sniffing.is_old_office(raw):
        return DocumentError(
            "unsupported_format", "It is an Office file from before 2007; save it in a new format."
        )
    return DocumentError(
        "malformed",
        f"It is no {named.extensions[0][1:].upper()} file, or a damaged one: "
        f"it begins with {raw[:8]!r}.",
    )
