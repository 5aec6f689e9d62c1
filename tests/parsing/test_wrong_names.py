"""Content that is unmistakable wins over the name; a name alone is not believed."""

from __future__ import annotations

import pytest

from include.errors import DocumentError
from include.parsing import media_type, parse
from tests.parsing.samples import RTF, SAMPLES, docx, pdf, zipped

BINARY = [extension for extension in SAMPLES if extension != ".eml"]


@pytest.mark.parametrize("extension", BINARY)
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.doc", "a.zip", "README", "a.pdf", "a.docx"])
def test_a_document_is_read_whatever_it_is_called(name, extension):
    raw = SAMPLES[extension]()
    assert parse(name, raw).text == parse(f"a{extension}", raw).text


@pytest.mark.parametrize("name", ["a.doc", "a.pdf", "a.xlsx", "a.xls"])
def test_a_page_that_a_server_sent_instead_of_a_document_is_read_as_a_page(name):
    page = b"<!DOCTYPE html><title>T</title><p>Please log in.</p>"
    assert parse(name, page).text == "Please log in."


@pytest.mark.parametrize("extension", BINARY)
def test_text_that_is_called_a_document_is_malformed(extension):
    with pytest.raises(DocumentError) as caught:
        parse(f"a{extension}", b"Only words.")
    assert caught.value.reason == "malformed"
    assert extension[1:].upper() in caught.value.detail


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("a.txt", zipped({"a": "b"}), "binary"),
        ("a.txt", docx()[:500], "binary"),
        ("a.png", b"\x89PNG\r\n", "unsupported_format"),
        ("a.zip", zipped({"a": "b"}), "unsupported_format"),
        ("a.txt", pdf()[:300], "malformed"),
    ],
)
def test_what_cannot_be_told_has_a_clear_reason(name, raw, reason):
    with pytest.raises(DocumentError) as caught:
        parse(name, raw)
    assert caught.value.reason == reason


def test_html_in_a_text_file_stays_text():
    assert "<p>" in parse("a.txt", b"<html><p>An example.</p></html>").text


def test_a_name_promises_a_media_type_before_reading():
    assert media_type("a/B.PDF") == "application/pdf"
    assert media_type("a.eml") == "message/rfc822"
    assert media_type("a.doc") is None
    assert parse("a.rtf", RTF)
