"""One table of formats: which names they have, and what reads them.

A further format joins by one entry. Its reader takes the file's bytes; text formats decode first.
Readers import their libraries when they are first needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing.code_languages import LANGUAGES, CodeLanguage
from include.parsing.decoding import decode
from include.parsing.text import parse_text

_LOOKS_LIKE_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html)\b",
                              re.IGNORECASE | re.DOTALL)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: its media type, its file extensions, and the reader of its bytes."""

    media_type: str
    extensions: tuple[str, ...]
    read: Callable[[bytes], ParsedText]


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


_TEXT = Format("text/plain", (".txt", ".text"), _read_text)
_HTML = Format("text/html", (".html", ".htm"), _read_html)
FORMATS = (
    _TEXT,
    Format("text/markdown", (".md", ".markdown"), _read_markdown),
    Format("text/x-rst", (".rst",), _read_rst),
    _HTML,
    Format("application/x-ipynb+json", (".ipynb",), _read_notebook),
    *(
        Format(code.media_type, code.extensions, partial(_read_code, language=code))
        for code in LANGUAGES
    ),
)
_BY_EXTENSION = {extension: entry for entry in FORMATS for extension in entry.extensions}


def media_type(name: str) -> str | None:
    """The media type that a file name promises; None for a format that cannot be read.

    A name without an extension is taken for plain text until its content says otherwise.
    """
    extension = PurePosixPath(name).suffix.lower()
    known = _BY_EXTENSION.get(extension) if extension else _TEXT
    return known.media_type if known else None


def parse(name: str, raw: bytes) -> ParsedText:
    """The text, structure, title and metadata of a file, chosen by its extension and content.

    Raises DocumentError with one of the reasons `empty`, `unsupported_format`, `binary`,
    `encoding`, `malformed` and `no_text`.
    """
    chosen = _format(name, raw)
    if not raw.strip(b" \t\r\n\0"):
        raise DocumentError("empty", f"{name!r} holds no bytes but white space.")
    try:
        parsed = chosen.read(raw)
    except DocumentError as error:
        raise DocumentError(error.reason, f"{name!r}: {error.detail}") from error
    if not parsed.blocks:
        raise DocumentError("no_text", f"{name!r} is {chosen.media_type} without any text.")
    return parsed


def _format(name: str, raw: bytes) -> Format:
    extension = PurePosixPath(name).suffix.lower()
    if not extension:
        return _HTML if _LOOKS_LIKE_HTML.match(raw[:2048]) else _TEXT
    if extension not in _BY_EXTENSION:
        raise DocumentError(
            "unsupported_format",
            f"{name!r} has the extension {extension!r}; "
            f"{', '.join(sorted(_BY_EXTENSION))} can be read.",
        )
    return _BY_EXTENSION[extension]
