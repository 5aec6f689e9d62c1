"""EPUB: the chapters in the order of the spine."""

from __future__ import annotations

import pytest

from include.errors import DocumentError
from include.parsing import parse
from tests.parsing.samples import epub, headings, shape, zipped


def reason(raw: bytes) -> str:
    with pytest.raises(DocumentError) as caught:
        parse("a.epub", raw)
    return caught.value.reason


def test_a_book_is_its_chapters_without_the_table_of_contents():
    parsed = parse("a.epub", epub())
    assert shape(parsed) == [
        ("heading", "One"),
        ("paragraph", "First\nwords."),
        ("heading", "Two"),
        ("list", "- a\n- b"),
    ]
    assert parsed.title == "A Book"
    assert parsed.metadata == {
        "author": "A. Writer, B. Writer",
        "lang": "en",
        "date": "2020-01-02",
    }


def test_the_spine_decides_the_order_not_the_names():
    parsed = parse("a.epub", epub({"z.xhtml": "<h1>First</h1>", "a b.xhtml": "<h1>Second</h1>"}))
    assert headings(parsed) == [(1, "First"), (1, "Second")]


def test_elements_closed_at_once_swallow_nothing():
    parsed = parse(
        "a.epub", epub({"a.xhtml": '<p>Before<a id="x"/></p><script src="y"/><p>After</p>'})
    )
    assert shape(parsed) == [("paragraph", "Before"), ("paragraph", "After")]


def encryption(method: str) -> str:
    return (
        f'<encryption><EncryptedData><EncryptionMethod Algorithm="{method}"/><CipherData>'
        '<CipherReference URI="OEBPS/text/one.xhtml"/></CipherData></EncryptedData></encryption>'
    )


def test_a_copy_protected_book_is_encrypted():
    part = encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")
    assert reason(epub(**{"META-INF/encryption.xml": part})) == "encrypted"


def test_obfuscated_fonts_do_no_harm():
    part = encryption("http://www.idpf.org/2008/embedding")
    assert parse("a.epub", epub(**{"META-INF/encryption.xml": part})).text.startswith("One")


def test_a_book_without_chapters_has_no_pages():
    container = '<container><rootfile full-path="a.opf"/></container>'
    raw = zipped({"META-INF/container.xml": container, "a.opf": "<package/>"})
    assert reason(raw) == "no_pages"


def test_a_container_that_leads_nowhere_is_malformed():
    assert reason(zipped({"META-INF/container.xml": "<container/>"})) == "malformed"
