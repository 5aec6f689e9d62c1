"""PDF: paragraphs as they were written, without the furniture of pages, or one clear reason."""

from __future__ import annotations

import pytest

from include.cleaning import clean
from include.errors import DocumentError
from include.parsing import parse
from include.parsing.pdf_information import iso_date
from tests.parsing.samples import (
    LOREM,
    headings,
    image_pdf,
    page_texts,
    pageless_pdf,
    pdf,
    shape,
    wrapped_pdf,
)


def refusal(raw: bytes) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        parse("a.pdf", raw)
    return caught.value


def test_lines_become_the_paragraphs_they_were_broken_from():
    paragraphs = [LOREM.strip(), "A short one.", LOREM.replace("turbine", "engine").strip()]
    parsed = parse("a.pdf", wrapped_pdf(*paragraphs))
    assert shape(parsed) == [("paragraph", text) for text in paragraphs]


def test_a_word_broken_at_a_line_end_is_whole_again():
    lines = ("The machine was dis-", "mantled and put to-", "gether again by the workers.")
    assert "was dismantled and put together again" in parse("a.pdf", pdf([lines])).text


def test_a_hyphen_that_the_document_writes_elsewhere_stays():
    lines = ("This is a well-known method, and as a well-", "known method it is used everywhere.")
    assert "as a well-known method" in parse("a.pdf", pdf([lines])).text


def test_pages_begin_where_their_text_begins():
    parsed = parse("a.pdf", pdf([("First page.",), ("Second page.",), (), ("Fourth page.",)]))
    assert page_texts(parsed) == ["First page.", "Second page.", "", "Fourth page."]
    assert page_texts(clean(parsed)) == page_texts(parsed)


def test_a_sentence_that_a_page_break_cuts_is_one_paragraph():
    first = ("It begins on the first page of this document and is continued", "on the")
    parsed = parse("a.pdf", pdf([first, ("second page, where it comes to its end.", "")]))
    assert len(parsed.blocks) == 1
    assert "on the second page" in " ".join(parsed.text.split())


def test_text_without_an_end_does_not_swallow_the_pages():
    words = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
    ]
    lines = [f"and so it goes on from {a} to {b} and" for a in words for b in words[:4]]
    pages = [lines[at : at + 4] for at in range(0, len(lines), 4)]
    assert len(parse("a.pdf", pdf(pages)).blocks) >= len(pages) // 2


def test_pages_that_repeat_each_other_keep_their_text():
    parsed = parse("a.pdf", pdf([("The same slide.", "Twice.")] * 4))
    assert parsed.text.count("The same slide.") == 4


def running(canvas, page):
    canvas.setFont("Times-Roman", 9)
    canvas.drawString(72, 810, f"Manual of turbines, {'left' if page % 2 else 'right'}")
    canvas.drawString(280, 30, f"Page {page + 1} of 6")


def test_running_headers_and_page_numbers_are_left_out():
    pages = [(f"Text number {word}.",) for word in ("one", "two", "three", "four", "five", "six")]
    parsed = parse("a.pdf", pdf(pages, decorate=running))
    assert page_texts(parsed) == [page[0] for page in pages]


def test_figures_at_the_foot_of_pages_that_do_not_count_them_stay():
    pages = [("Sales of the year.", f"Total {total}") for total in (17, 4, 99, 23)]
    assert all(f"Total {total}" in parse("a.pdf", pdf(pages)).text for total in (17, 4, 99, 23))


def test_a_title_that_later_pages_repeat_as_their_header_stays():
    def header(canvas, page):
        if page:
            canvas.setFont("Times-Roman", 9)
            canvas.drawString(72, 810, "TURBINES")

    pages = [("TURBINES", "First."), ("Second.",), ("Third.",), ("Fourth.",)]
    parsed = parse("a.pdf", pdf(pages, decorate=header))
    assert parsed.text.count("TURBINES") == 1
    assert parsed.title == "TURBINES"


def outline(canvas, page):
    canvas.bookmarkPage(f"p{page}")
    canvas.addOutlineEntry(
        ("Turbines", "Inspection", "Not printed here")[page], f"p{page}", page > 0
    )


def test_the_outline_gives_the_headings_and_their_levels():
    pages = [("Turbines", "They turn."), ("1.1 Inspection", "Look."), ("More text.",)]
    parsed = parse("a.pdf", pdf(pages, decorate=outline))
    assert headings(parsed) == [(1, "Turbines"), (2, "1.1 Inspection"), (2, "Not printed here")]


def test_the_largest_type_names_a_document_whose_outline_names_chapters():
    def chapters(canvas, page):
        canvas.bookmarkPage(f"p{page}")
        canvas.addOutlineEntry(f"Chapter {page}", f"p{page}", 0)

    pages = [("UPKEEP", "Chapter 0", "Text."), ("Chapter 1", "Text."), ("Chapter 2", "Text.")]
    parsed = parse("a.pdf", pdf(pages, decorate=chapters))
    assert parsed.title == "UPKEEP"
    assert headings(parsed) == [(1, f"Chapter {number}") for number in range(3)]


def test_without_an_outline_larger_type_gives_the_headings():
    parsed = parse("a.pdf", wrapped_pdf("# Turbines", LOREM, "# Inspection", LOREM))
    assert headings(parsed) == [(2, "Turbines"), (2, "Inspection")]


def test_bullets_become_a_list():
    parsed = parse("a.pdf", pdf([("Bring these:", "", "• a lamp", "• a mirror", "", "Go.")]))
    assert ("list", "- a lamp\n- a mirror") in shape(parsed)


def test_cells_of_a_row_are_parted():
    def table(canvas, page):
        canvas.setFont("Times-Roman", 11)
        for row, cells in enumerate((("Part", "Hours"), ("Bearing", "1000"), ("Seal", "200"))):
            for column, cell in enumerate(cells):
                canvas.drawString(72 + 150 * column, 600 - 14 * row, cell)

    parsed = parse("a.pdf", pdf([()], decorate=table))
    assert shape(parsed) == [("table", "Part | Hours\nBearing | 1000\nSeal | 200")]


def test_no_character_is_lost_or_doubled():
    lines = ("I", "WW", "a b", "A  W", "one two three", "x", "MMMM MMMM")
    text = parse("a.pdf", pdf([lines])).text
    assert sorted(text.replace("|", "").split()) == sorted(" ".join(lines).split())


def test_document_information_becomes_metadata():
    parsed = parse("a.pdf", pdf(title="Upkeep of turbines"))
    assert parsed.title == "Upkeep of turbines"
    assert parsed.metadata["date"] == "2000-01-01T00:00:00+00:00"


@pytest.mark.parametrize("title", ["Microsoft Word - report.doc", "untitled", "report.docx", ""])
def test_a_title_that_a_program_made_up_is_no_title(title):
    assert parse("a.pdf", pdf(title=title)).title == ""


@pytest.mark.parametrize(
    ("stamp", "date"),
    [
        ("D:20240131235959+01'30'", "2024-01-31T23:59:59+01:30"),
        ("D:20240131235959Z00'00'", "2024-01-31T23:59:59+00:00"),
        ("D:20240131", "2024-01-31"),
        ("D:2024", "2024"),
        ("yesterday", ""),
    ],
)
def test_dates_become_iso_8601(stamp, date):
    assert iso_date(stamp) == date


def test_an_encrypted_file_is_named_so():
    assert refusal(pdf(password="secret")).reason == "encrypted"


def test_a_file_that_anybody_may_open_is_read():
    assert parse("a.pdf", pdf([("Open to all.",)], owner="owner")).text == "Open to all."


def test_a_file_without_pages_is_named_so():
    refusal(pdf(password="secret"))  # PDFium keeps the error of the file before
    assert refusal(pageless_pdf()).reason == "no_pages"


def test_pages_of_images_need_ocr():
    error = refusal(image_pdf(3))
    assert error.reason == "image_only"
    assert "OCR" in error.detail
    assert "3 pages" in error.detail


def test_blank_pages_are_no_images():
    assert refusal(pdf([(), ()])).reason == "no_text"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_malformed(share):
    raw = pdf([(LOREM,)] * 20)
    assert refusal(raw[: int(len(raw) * share)]).reason == "malformed"


def test_more_pages_than_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr("include.parsing.pdf.MOST_PAGES", 2)
    error = refusal(pdf([("x",)] * 3))
    assert error.reason == "too_large"
    assert "2" in error.detail


def test_bytes_before_the_header_do_no_harm():
    assert parse("a.pdf", b"\r\n\r\n" + pdf([("Words.",)])).text == "Words."
