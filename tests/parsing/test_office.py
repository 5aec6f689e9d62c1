"""DOCX, PPTX and XLSX: what a reader of the document reads, in that order."""

from __future__ import annotations

import pytest

from include.errors import DocumentError
from include.parsing import parse
from tests.parsing.samples import (
    docx,
    docx_of,
    headings,
    page_texts,
    pptx,
    rezipped,
    shape,
    xlsx,
    zipped,
)


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def blocks(body: str, **parts: str) -> list[tuple[str, str]]:
    return shape(parse("a.docx", docx_of(body, **parts)))


# -- DOCX ----------------------------------------------------------------------------------------


def test_a_word_document_gives_headings_lists_and_tables():
    parsed = parse("a.docx", docx())
    assert shape(parsed) == [
        ("heading", "Turbines"),
        ("paragraph", "They turn."),
        ("heading", "Inspection"),
        ("list", "- Look\n- Listen\n1. Open"),
        ("heading", "Figures"),
        ("table", "Part | Hours\nBearing | 1000"),
        ("paragraph", "Second page."),
    ]
    assert headings(parsed) == [(1, "Turbines"), (1, "Inspection"), (2, "Figures")]
    assert parsed.title == "Maintenance"
    assert parsed.metadata["author"] == "A. Writer"
    assert parsed.metadata["keywords"] == "turbine, oil"
    assert parsed.metadata["date"] == "2013-12-23T23:15:00Z"


def test_a_page_break_begins_a_page():
    assert page_texts(parse("a.docx", docx()))[1] == "Second page."


def test_a_document_without_page_breaks_has_no_pages():
    assert parse("a.docx", docx_of(paragraph("x"))).pages == ()


def test_deleted_and_hidden_text_and_field_codes_are_left_out():
    body = (
        "<w:p><w:r><w:t>Kept</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r>"
        "<w:ins><w:r><w:t> added</w:t></w:r></w:ins></w:p>"
    )
    assert blocks(body) == [("paragraph", "Kept added")]


def test_a_text_box_is_read_once():
    box = "<w:txbxContent>" + paragraph("In a box.") + "</w:txbxContent>"
    body = (
        "<w:p><w:r><w:t>Around.</w:t></w:r><w:r><mc:AlternateContent>"
        f"<mc:Choice><wps:txbx>{box}</wps:txbx></mc:Choice>"
        f"<mc:Fallback><w:pict>{box}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert blocks(body) == [("paragraph", "Around."), ("paragraph", "In a box.")]


def test_a_content_control_is_transparent():
    body = "<w:sdt><w:sdtContent>" + paragraph("Inside.") + "</w:sdtContent></w:sdt>"
    assert blocks(body) == [("paragraph", "Inside.")]


def test_a_table_of_contents_is_left_out():
    styles = '<w:styles NS><w:style w:styleId="X1"><w:name w:val="toc 1"/></w:style></w:styles>'
    body = paragraph("Inspection 7", '<w:pStyle w:val="X1"/>') + paragraph("Text.")
    assert blocks(body, styles=styles) == [("paragraph", "Text.")]


def test_a_heading_is_known_by_what_its_style_is_based_on():
    styles = (
        '<w:styles NS><w:style w:styleId="A"><w:name w:val="Mine"/><w:basedOn w:val="B"/></w:style>'
        '<w:style w:styleId="B"><w:name w:val="base"/><w:pPr><w:outlineLvl w:val="2"/></w:pPr>'
        '<w:basedOn w:val="A"/></w:style></w:styles>'
    )
    body = paragraph("Inspection", '<w:pStyle w:val="A"/>')
    assert headings(parse("a.docx", docx_of(body, styles=styles))) == [(3, "Inspection")]


def test_footnotes_follow_the_text_with_their_marks():
    notes = (
        f'<w:footnotes NS><w:footnote w:id="5">{paragraph("A note.")}</w:footnote></w:footnotes>'
    )
    body = '<w:p><w:r><w:t>Text</w:t><w:footnoteReference w:id="5"/></w:r></w:p>'
    assert blocks(body, footnotes=notes) == [("paragraph", "Text[1]"), ("paragraph", "[1] A note.")]


def test_a_table_of_one_column_is_layout():
    cell = "<w:tbl><w:tr><w:tc>" + paragraph("Plain.") + "</w:tc></w:tr></w:tbl>"
    assert blocks(cell) == [("paragraph", "Plain.")]


def test_code_keeps_its_lines():
    styles = (
        '<w:styles NS><w:style w:styleId="C"><w:name w:val="Source Code"/></w:style></w:styles>'
    )
    body = paragraph("if x:", '<w:pStyle w:val="C"/>') + paragraph("  y", '<w:pStyle w:val="C"/>')
    assert blocks(body, styles=styles) == [("code", "if x:\n  y")]


def test_a_formula_is_readable():
    fraction = (
        "<w:p><m:oMath><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r>"
        "</m:den></m:f></m:oMath></w:p>"
    )
    assert blocks(fraction) == [("paragraph", "(a+b)/2")]


# -- PPTX ----------------------------------------------------------------------------------------


def test_a_presentation_has_a_page_per_slide():
    parsed = parse("a.pptx", pptx())
    assert page_texts(parsed) == [
        "Turbines\n\nA talk",
        "Inspection\n\n- Look\n  - closely\n\nNotes: Mention the bearings.",
        "Figures\n\nPart | Hours\nBearing | 1000",
    ]
    assert headings(parsed) == [(1, "Turbines"), (2, "Inspection"), (2, "Figures")]
    assert parsed.title == "Turbines"


def test_a_presentation_without_slides_is_named_so():
    raw = rezipped(pptx(), {"ppt/presentation.xml": "<presentation/>"})
    assert reason("a.pptx", raw) == "no_pages"


# -- XLSX ----------------------------------------------------------------------------------------


def test_a_workbook_has_a_page_per_visible_sheet():
    parsed = parse("a.xlsx", xlsx())
    assert page_texts(parsed) == [
        "Hours\n\nPart | Hours | Share | Checked\nBearing | 1000 | 25% | 2024-01-31\n\nA note below.",
        "Flags\n\nOpen | TRUE\nRatio | 0.3",
    ]
    assert parsed.title == "Figures"
    assert "secret" not in parsed.text


def sheet(rows: str) -> bytes:
    return rezipped(
        xlsx(),
        {"xl/worksheets/sheet1.xml": f"<worksheet><sheetData>{rows}</sheetData></worksheet>"},
    )


def test_a_cell_at_the_far_end_costs_no_more_than_any_other():
    raw = sheet(
        '<row r="1"><c r="A1"><v>1</v></c><c r="XFD1"><v>2</v></c></row>'
        '<row r="1048576"><c r="A1048576"><v>3</v></c></row>'
    )
    assert "1 | 2" in parse("a.xlsx", raw).text


def test_cells_without_references_follow_each_other():
    raw = sheet('<row><c t="inlineStr"><is><t>a</t></is></c><c><v>7</v></c></row>')
    assert "a | 7" in parse("a.xlsx", raw).text


def test_more_cells_than_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr("include.parsing.xlsx.MOST_CELLS", 5)
    assert reason("a.xlsx", xlsx()) == "too_large"


def test_shared_texts_and_rich_ones_are_shown():
    from io import BytesIO

    from xlsxwriter import Workbook

    stream = BytesIO()
    book = Workbook(stream)
    page = book.add_worksheet("Words")
    page.write_row(0, 0, ["same", "same"])
    page.write_rich_string(1, 0, "half ", book.add_format({"bold": True}), "bold", " text")
    page.write_formula(1, 1, "=1+1", None, 2)
    book.close()
    assert parse("a.xlsx", stream.getvalue()).text == "Words\n\nsame | same\nhalf bold text | 2"


@pytest.mark.parametrize("reference", ["999999999", "-1", "x", ""])
def test_a_wrong_reference_to_a_shared_text_is_an_empty_cell(reference):
    raw = sheet(f'<row r="1"><c t="s"><v>{reference}</v></c><c><v>1</v></c></row>')
    assert "1" in parse("a.xlsx", raw).text


# -- all -----------------------------------------------------------------------------------------


def reason(name: str, raw: bytes) -> str:
    with pytest.raises(DocumentError) as caught:
        parse(name, raw)
    return caught.value.reason


@pytest.mark.parametrize(
    ("name", "part"),
    [("a.docx", "word/document.xml"), ("a.pptx", "ppt/slides/slide1.xml"),
     ("a.xlsx", "xl/worksheets/sheet1.xml"), ("a.xlsx", "xl/styles.xml")],
)  # fmt: skip
def test_a_part_that_is_no_xml_is_malformed(name, part):
    sample = {"a.docx": docx, "a.pptx": pptx, "a.xlsx": xlsx}[name]()
    assert reason(name, rezipped(sample, {part: "<a><b></a>"})) == "malformed"


def test_elements_nested_without_end_are_malformed():
    deep = docx_of("<w:sdt>" * 5_000 + "</w:sdt>" * 5_000)
    assert reason("a.docx", deep) == "malformed"


def test_an_archive_of_something_else_is_no_document():
    assert reason("a.docx", zipped({"a.txt": "x"})) == "malformed"


def test_a_protected_document_is_encrypted():
    container = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le") * 2
    assert reason("a.docx", container) == "encrypted"


def test_an_office_file_from_before_2007_is_unsupported_whatever_it_is_called():
    assert (
        reason("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\1" * 600) == "unsupported_format"
    )
