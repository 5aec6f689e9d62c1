"""PDF, read with PDFium (pypdfium2): by far the fastest of the permissive libraries.

It gives every character's place, from which paragraphs, margins and headings are told.

OCR and layout engines (Docling, Tesseract) would join in `_pages`: a page without text is an image
for them, and they too give lines with places. See docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from include.documents import Metadata, ParsedText
from include.errors import DocumentError
from include.parsing.blocks import BlockWriter, one_line
from include.parsing.limits import MOST_PAGES
from include.parsing.pdf_headings import Entry, Heading, by_type, outlined, title_line
from include.parsing.pdf_information import information, outline
from include.parsing.pdf_lines import Line, page_lines
from include.parsing.pdf_margins import without_margins
from include.parsing.pdf_paragraphs import Paragraph, across_pages, mended, paragraphs

_FULL_OUTLINE = 3
_TAIL = 4096


def parse_pdf(raw: bytes) -> ParsedText:
    """The text of a PDF: paragraphs, lists and headings without the furniture of its pages.

    Raises DocumentError `encrypted`, `malformed`, `no_pages`, `too_large`, and `image_only` when
    no page has any text but some have pictures.
    """
    if not any(mark in raw[-_TAIL:] for mark in (b"startxref", b"%%EOF")):
        raise DocumentError("malformed", "It is cut off: a PDF ends in %%EOF, this one does not.")
    document = _open(raw)
    try:
        pages, lost = _pages(document)
        title, metadata = information(document)
        entries = outline(document)
    finally:
        document.close()
    if not any(pages):
        _refuse_textless(len(pages), lost)
    return _written(without_margins(pages), entries, title, metadata | lost)


def _refuse_textless(pages: int, lost: dict[str, int]) -> None:
    if lost.get("pages_without_text"):
        raise DocumentError(
            "image_only", f"None of its {pages} pages has text, only images: run OCR on it first."
        )
    if lost.get("pages_unreadable"):
        raise DocumentError("malformed", f"None of its {pages} pages can be read.")


def _open(raw: bytes) -> Any:
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        document = pypdfium2.PdfDocument(raw)
    except pypdfium2.PdfiumError as error:
        if _opens(raw):
            raise DocumentError("no_pages", "It has no pages.") from error
        if error.err_code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise DocumentError("encrypted", "It needs a password; save it without one.") from error
        raise DocumentError("malformed", f"PDFium cannot open it: {error}") from error
    if len(document) > MOST_PAGES:
        document.close()
        raise DocumentError("too_large", f"It has more pages than the limit of {MOST_PAGES}.")
    return document


def _opens(raw: bytes) -> bool:
    """Whether PDFium accepts the file; of one without pages it reports the error of the last."""
    import pypdfium2.raw as pdfium

    document = pdfium.FPDF_LoadMemDocument64(raw, len(raw), None)
    if document:
        pdfium.FPDF_CloseDocument(document)
    return bool(document)


def _pages(document: Any) -> tuple[list[list[Line]], dict[str, int]]:
    """The lines of each page, and how many pages have pictures alone or cannot be read."""
    import pypdfium2

    pages: list[list[Line]] = []
    lost = {"pages_without_text": 0, "pages_unreadable": 0}
    for number in range(len(document)):
        try:
            lines, pictures = _page(document[number])
        except pypdfium2.PdfiumError:
            lines, pictures = [], False
            lost["pages_unreadable"] += 1
        pages.append(lines)
        lost["pages_without_text"] += pictures and not lines
    return pages, {name: count for name, count in lost.items() if count}


def _page(page: Any) -> tuple[list[Line], bool]:
    """A page's lines, and whether anything is drawn on it."""
    import pypdfium2.raw as pdfium

    try:
        text_page = page.get_textpage()
        try:
            return page_lines(text_page), pdfium.FPDFPage_CountObjects(page) > 0
        finally:
            text_page.close()
    finally:
        page.close()


def _written(
    pages: Sequence[list[Line]], entries: list[Entry], title: str, metadata: Metadata
) -> ParsedText:
    """Blocks in reading order; a full outline alone says what is a heading.

    The chapters of an outline do not name the document: the largest type on its first page does.
    """
    headings = outlined(entries, pages)
    levelled: list[tuple[Paragraph, int]] = []
    for number, lines in enumerate(pages):
        levelled += _with_headings(lines, headings.get(number, []), number)
    named = title_line([block for block, _ in levelled]) if entries else ""
    if len(entries) < _FULL_OUTLINE:
        levelled = _with_sizes(levelled)
    return _write(levelled, len(pages)).finish(title or named, metadata)


def _with_sizes(levelled: list[tuple[Paragraph, int]]) -> list[tuple[Paragraph, int]]:
    given = {id(block): level for block, level in levelled if level}
    return [
        (block, given.get(id(block), level))
        for block, level in by_type([block for block, _ in levelled])
    ]


def _with_headings(
    lines: list[Line], headings: list[Heading], page: int
) -> Iterator[tuple[Paragraph, int]]:
    at = 0
    for heading in headings:
        yield from ((block, 0) for block in paragraphs(lines[at : heading.at], page))
        yield Paragraph("paragraph", heading.text, page, 0.0, 1), heading.level
        at = max(at, heading.at + heading.lines)
    yield from ((block, 0) for block in paragraphs(lines[at:], page))


def _write(levelled: list[tuple[Paragraph, int]], pages: int) -> BlockWriter:
    writer, page, in_list = BlockWriter(), -1, False
    levelled = across_pages(levelled)
    texts = mended([block.text for block, _ in levelled])
    for (block, level), text in zip(levelled, texts, strict=True):
        while page < block.page:
            writer.start_page()
            page, in_list = page + 1, False
        if level:
            writer.add("heading", one_line(text), level)
        else:
            writer.add(block.kind, text, joined=in_list and block.kind == "list")
        in_list = block.kind == "list" and not level
    for _ in range(page + 1, pages):
        writer.start_page()
    return writer
