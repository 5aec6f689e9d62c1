"""Small files of every format, made by the libraries that people's programs use too."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage

from include.documents import ParsedText

LOREM = (
    "The turbine is inspected every thousand hours of operation, and the bearings are replaced "
    "when their play exceeds a tenth of a millimetre in any of the directions measured. "
)


def shape(parsed: ParsedText) -> list[tuple[str, str]]:
    """The kind and the text of every block."""
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def headings(parsed: ParsedText) -> list[tuple[int, str]]:
    """The level and the text of every heading."""
    return [
        (block.level, parsed.text[block.start : block.end])
        for block in parsed.blocks
        if block.kind == "heading"
    ]


def page_texts(parsed: ParsedText) -> list[str]:
    """The text of each page."""
    ends = [*parsed.pages[1:], len(parsed.text)]
    return [parsed.text[start:end].strip() for start, end in zip(parsed.pages, ends, strict=True)]


def zipped(members: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def rezipped(raw: bytes, changed: Mapping[str, str | bytes]) -> bytes:
    """The same archive with some members replaced or added."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return zipped(members | dict(changed))


# -- PDF -----------------------------------------------------------------------------------------


def pdf(
    pages: Sequence[Sequence[str]] = (("Turbines", LOREM),),
    *,
    decorate: Callable[[object, int], None] = lambda canvas, page: None,
    password: str = "",
    owner: str = "",
    title: str = "",
) -> bytes:
    """A PDF of pages of lines; a first line in capitals is printed large."""
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    stream = io.BytesIO()
    locked = password or owner
    encryption = StandardEncryption(password, owner or "owner") if locked else None
    canvas = Canvas(stream, encrypt=encryption, invariant=1)
    canvas.setTitle(title)
    for number, lines in enumerate(pages):
        decorate(canvas, number)
        y = 760
        for line in lines:
            size = 18 if line.isupper() else 11
            canvas.setFont("Times-Roman", size)
            canvas.drawString(72, y, line)
            y -= size * 1.25 if line else 10
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def wrapped_pdf(*paragraphs: str, width: int = 200) -> bytes:
    """A PDF that a typesetter broke into lines, one flow of paragraphs."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

    stream, styles = io.BytesIO(), getSampleStyleSheet()
    margin = (A4[0] - width) / 2
    template = SimpleDocTemplate(stream, leftMargin=margin, rightMargin=margin, invariant=1)
    flow = []
    for paragraph in paragraphs:
        style = "Heading1" if paragraph.startswith("# ") else "BodyText"
        flow += [Paragraph(paragraph.removeprefix("# "), styles[style]), Spacer(1, 6)]
    template.build(flow)
    return stream.getvalue()


def image_pdf(pages: int = 1) -> bytes:
    from PIL import Image
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    stream = io.BytesIO()
    canvas = Canvas(stream, invariant=1)
    for _ in range(pages):
        canvas.drawImage(ImageReader(Image.new("RGB", (40, 40), "red")), 100, 100, 200, 200)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def pageless_pdf() -> bytes:
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
        b"xref\n0 3\n0000000000 65535 f \n0000000009 00000 n \n0000000052 00000 n \n"
        b"trailer<</Size 3/Root 1 0 R>>\nstartxref\n96\n%%EOF\n"
    )


# -- Office --------------------------------------------------------------------------------------


def docx() -> bytes:
    from docx import Document

    document = Document()
    document.core_properties.title = "Maintenance"
    document.core_properties.author = "A. Writer"
    document.core_properties.keywords = "turbine, oil"
    document.add_heading("Turbines", 0)
    document.add_paragraph("They turn.")
    document.add_heading("Inspection", 1)
    document.add_paragraph("Look", style="List Bullet")
    document.add_paragraph("Listen", style="List Bullet")
    document.add_paragraph("Open", style="List Number")
    document.add_heading("Figures", 2)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ("Part", "Hours", "Bearing", "1000"), strict=True):
        cell.text = text
    document.add_page_break()
    document.add_paragraph("Second page.")
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def docx_of(body: str, **parts: str) -> bytes:
    """A DOCX of a body in WordprocessingML, and of further parts by file name."""
    namespaces = (
        'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
        'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
        'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    )
    relations = "".join(
        f'<Relationship Id="r{name}" Type="x/{name}" Target="{name}.xml"/>' for name in parts
    )
    return zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "word/document.xml": f"<w:document {namespaces}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": f"<Relationships>{relations}</Relationships>",
            **{f"word/{name}.xml": xml.replace("NS", namespaces) for name, xml in parts.items()},
        }
    )


def pptx() -> bytes:
    from pptx import Presentation
    from pptx.util import Inches

    deck = Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[0])
    first.shapes.title.text = "Turbines"
    first.placeholders[1].text = "A talk"
    second = deck.slides.add_slide(deck.slide_layouts[1])
    second.shapes.title.text = "Inspection"
    frame = second.placeholders[1].text_frame
    frame.text = "Look"
    inner = frame.add_paragraph()
    inner.text, inner.level = "closely", 1
    second.notes_slide.notes_text_frame.text = "Mention the bearings."
    third = deck.slides.add_slide(deck.slide_layouts[5])
    third.shapes.title.text = "Figures"
    table = third.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for at, text in enumerate(("Part", "Hours", "Bearing", "1000")):
        table.cell(at // 2, at % 2).text = text
    stream = io.BytesIO()
    deck.save(stream)
    return stream.getvalue()


def xlsx() -> bytes:
    from datetime import datetime

    from openpyxl import Workbook

    book = Workbook()
    book.properties.title = "Figures"
    hours = book.active
    hours.title = "Hours"
    for row in (
        ("Part", "Hours", "Share", "Checked"),
        ("Bearing", 1000, 0.25, datetime(2024, 1, 31)),  # noqa: DTZ001
    ):
        hours.append(row)
    hours["C2"].number_format = "0%"
    hours["A5"] = "A note below."
    notes = book.create_sheet("Flags")
    notes.append(("Open", True))
    notes.append(("Ratio", 0.1 + 0.2))
    book.create_sheet("Hidden").sheet_state = "hidden"
    book["Hidden"]["A1"] = "secret"
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def epub(chapters: Mapping[str, str] | None = None, **parts: str) -> bytes:
    chapters = chapters or {
        "one.xhtml": "<h1>One</h1><p>First<br/>words.</p>",
        "two.xhtml": "<h1>Two</h1><ul><li>a</li><li>b</li></ul>",
    }
    page = (
        '<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">'
        "<head><title/></head><body>{}</body></html>"
    )
    manifest = "".join(
        f'<item id="{name}" href="text/{name.replace(" ", "%20")}" '
        'media-type="application/xhtml+xml"/>'
        for name in chapters
    )
    spine = "".join(f'<itemref idref="{name}"/>' for name in [*chapters][::-1][::-1])
    package = f"""<package xmlns="http://www.idpf.org/2007/opf">
        <metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A Book</dc:title>
        <dc:creator>A. Writer</dc:creator><dc:creator>B. Writer</dc:creator>
        <dc:language>en</dc:language><dc:date>2020-01-02</dc:date></metadata>
        <manifest><item id="nav" href="nav.xhtml" properties="nav"
        media-type="application/xhtml+xml"/>{manifest}</manifest>
        <spine><itemref idref="nav"/>{spine}</spine></package>"""
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/>'
            "</rootfiles></container>",
            "OEBPS/book.opf": package,
            "OEBPS/nav.xhtml": page.format("<h1>Contents</h1><nav><ol><li>One</li></ol></nav>"),
            **{f"OEBPS/text/{name}": page.format(body) for name, body in chapters.items()},
            **parts,
        }
    )


def odt(body: str = "", **parts: str) -> bytes:
    namespaces = (
        'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0"'
    )
    body = body or (
        '<text:h text:outline-level="1">Turbines</text:h><text:p>They<text:s text:c="2"/>turn'
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Always."
        "</text:p></text:note-body></text:note>.</text:p>"
        "<text:list><text:list-item><text:p>Look</text:p><text:list><text:list-item>"
        "<text:p>closely</text:p></text:list-item></text:list></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>Part</text:p></table:table-cell>"
        "<table:table-cell><text:p>Hours</text:p></table:table-cell></table:table-row></table:table>"
    )
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"<office:document-content {namespaces}><office:body><office:text>{body}"
            "</office:text></office:body></office:document-content>",
            "meta.xml": f"<office:document-meta {namespaces}><office:meta><dc:title>Upkeep</dc:title>"
            "<meta:initial-creator>A. Writer</meta:initial-creator><meta:creation-date>2024-01-02"
            "</meta:creation-date></office:meta></office:document-meta>",
            **parts,
        }
    )


RTF = (
    rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Times;}}{\info{\title Upkeep}{\author A. Writer}"
    rb"{\creatim\yr2024\mo1\dy2}}{\pict\pngblip 89504e47}Turbines turn \'e4lways.\par Second \u8364? "
    rb"paragraph.\par \trowd Part\cell Hours\cell\row \trowd Bearing\cell 1000\cell\row After.\par}"
)


# -- mail ----------------------------------------------------------------------------------------


def email(
    *attachments: tuple[str, bytes], html: str = "", text: str = "Hello Bob.\n\n> old\n"
) -> bytes:
    message = EmailMessage()
    message["Subject"] = "Turbine – inspection"
    message["From"] = "Ann <ann@example.com>"
    message["To"] = "Bob <bob@example.com>"
    message["Date"] = "Fri, 16 Dec 2022 17:04:16 -0500"
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="x", filename=name)
    return message.as_bytes()


def forwarded(inner: bytes, depth: int = 1) -> bytes:
    """A message in a message, `depth` times."""
    from email import message_from_bytes
    from email.policy import default

    for _ in range(depth):
        outer = EmailMessage()
        outer["Subject"] = "Fwd"
        outer.set_content("See below.")
        outer.add_attachment(message_from_bytes(inner, policy=default))
        inner = outer.as_bytes()
    return inner


# -- hostile -------------------------------------------------------------------------------------


def lying_zip(name: str, content: bytes, claimed: int) -> bytes:
    """An archive whose directory claims another size for its only member."""
    raw = bytearray(zipped({name: content}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = raw.index(signature) + offset
        raw[at : at + 4] = struct.pack("<I", claimed)
        crc = at - 8
        raw[crc : crc + 4] = struct.pack("<I", zlib.crc32(content[:claimed]))
    return bytes(raw)


ENTITY_BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    + "]><x>&j;</x>"
)

SAMPLES: dict[str, Callable[[], bytes]] = {
    ".pdf": pdf,
    ".docx": docx,
    ".pptx": pptx,
    ".xlsx": xlsx,
    ".epub": epub,
    ".odt": odt,
    ".rtf": lambda: RTF,
    ".eml": lambda: email(("a.txt", b"Attached words."), ("b.docx", docx())),
}
