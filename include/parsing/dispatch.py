"""Which format a file has, by its content and its name, and its text in that format.

Content that is unmistakable wins over the name.
"""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing import sniffing
from include.parsing.archives import GZIP_MAGIC, gunzip
from include.parsing.formats import FORMATS, HTML, TEXT, Container, Format
from include.parsing.limits import MOST_NESTED_FILES

_BY_EXTENSION = {extension: entry for entry in FORMATS for extension in entry.extensions}
_BY_MEDIA_TYPE = {entry.media_type: entry for entry in FORMATS}
_GZIP = ".gz"


def media_type(name: str) -> str | None:
    """The media type that a file name promises; None for a format that cannot be read.

    A name without an extension is taken for plain text until its content says otherwise; one
    that ends in `.gz` promises what it promises without it.
    """
    known = _named(_without_gzip(name))
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
        return HTML
    if named is None:
        raise _unsupported(name)
    if named.binary and not (
        named.media_type == sniffing.PDF and sniffing.has_late_pdf_header(raw)
    ):
        raise _not_what_it_is_called(named, raw)
    return named


def _named(name: str) -> Format | Container | None:
    extension = PurePosixPath(name).suffix.lower()
    return _BY_EXTENSION.get(extension) if extension else TEXT


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
