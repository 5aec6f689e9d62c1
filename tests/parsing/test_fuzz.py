"""Damaged samples of every format: text or a DocumentError, never another exception."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.cleaning import clean
from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing import parse
from tests.parsing.samples import SAMPLES, rezipped, zipped

REASONS = {
    "binary", "empty", "encoding", "encrypted", "image_only", "malformed", "no_pages", "no_text",
    "too_large", "unsafe_archive", "unsupported_format",
}  # fmt: skip
PARTS = {
    ".docx": ["word/document.xml", "word/styles.xml", "word/numbering.xml", "docProps/core.xml",
              "_rels/.rels", "word/_rels/document.xml.rels"],
    ".pptx": ["ppt/presentation.xml", "ppt/slides/slide2.xml", "ppt/_rels/presentation.xml.rels"],
    ".xlsx": ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/sharedStrings.xml"],
    ".epub": ["OEBPS/book.opf", "META-INF/container.xml", "OEBPS/text/one.xhtml"],
    ".odt": ["content.xml", "meta.xml"],
}  # fmt: skip


@cache
def sample(extension: str) -> bytes:
    return SAMPLES[extension]()


def check(name: str, raw: bytes) -> None:
    try:
        parsed = parse(name, raw)
    except DocumentError as error:
        reason, detail = error.reason, error.detail
    else:
        assert_sound(parsed)
        assert_sound(clean(parsed))
        return
    assert reason in REASONS
    assert detail


def assert_sound(parsed: ParsedText) -> None:
    end = 0
    for block in parsed.blocks:
        assert block.start >= end
        assert not parsed.text[end : block.start].strip()
        assert parsed.text[block.start : block.end].strip()
        end = block.end
    assert list(parsed.pages) == sorted(parsed.pages)
    assert not parsed.pages or parsed.pages[0] <= parsed.blocks[0].start


@pytest.mark.parametrize("extension", SAMPLES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.data_too_large])
@given(data=st.data())
def test_a_damaged_file_gives_text_or_a_reason(extension, data):
    raw = bytearray(sample(extension))
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(raw))))
    check(f"a{extension}", bytes(raw[:cut]))


@pytest.mark.parametrize("extension", PARTS)
@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_part_gives_text_or_a_reason(extension, data):
    """Damage to an archive is mostly caught by its checksums; this goes past them."""
    import io
    import zipfile

    name = data.draw(st.sampled_from(PARTS[extension]))
    with zipfile.ZipFile(io.BytesIO(sample(extension))) as archive:
        part = archive.read(name)
    words = part.split(b'"')
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(words) - 1))
        words[at] = data.draw(
            st.sampled_from(
                [b"", b"-1", b"99999999999", "\u0660\u0661".encode(), b"x", b"1e999", words[0]]
            )
        )
    check(f"a{extension}", rezipped(sample(extension), {name: b'"'.join(words)}))


@pytest.mark.parametrize("extension", SAMPLES)
@given(rest=st.binary(max_size=200))
def test_a_file_that_only_begins_right_gives_text_or_a_reason(extension, rest):
    check(f"a{extension}", sample(extension)[:20] + rest)


@given(
    st.sampled_from(["word/document.xml", "ppt/presentation.xml", "xl/workbook.xml", "META-INF/container.xml"]),
    st.sampled_from(["", "<x/>", "<document><body><p/></body></document>", "\0", "<x", "<a>" * 300]),
)  # fmt: skip
def test_an_archive_of_one_part_gives_text_or_a_reason(member, content):
    check("a.docx", zipped({member: content}))
