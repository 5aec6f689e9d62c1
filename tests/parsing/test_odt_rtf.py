"""OpenDocument and Rich Text."""

from __future__ import annotations

from time import process_time

import pytest

from include.errors import DocumentError
from include.parsing import parse
from tests.parsing.samples import RTF, headings, odt, shape


def test_an_opendocument_text_gives_its_structure():
    parsed = parse("a.odt", odt())
    assert shape(parsed) == [
        ("heading", "Turbines"),
        ("paragraph", "They  turn[1]."),
        ("list", "- Look\n  - closely"),
        ("table", "Part | Hours"),
        ("paragraph", "[1] Always."),
    ]
    assert headings(parsed) == [(1, "Turbines")]
    assert (parsed.title, parsed.metadata) == (
        "Upkeep",
        {"author": "A. Writer", "date": "2024-01-02"},
    )


def test_a_protected_opendocument_text_is_encrypted():
    manifest = '<m:manifest xmlns:m="x"><m:encryption-data/></m:manifest>'
    with pytest.raises(DocumentError) as caught:
        parse("a.odt", odt(**{"META-INF/manifest.xml": manifest}))
    assert caught.value.reason == "encrypted"


def test_rich_text_gives_its_paragraphs_and_tables():
    parsed = parse("a.rtf", RTF)
    assert shape(parsed) == [
        ("paragraph", "Turbines turn älways."),
        ("paragraph", "Second € paragraph."),
        ("table", "Part | Hours\nBearing | 1000"),
        ("paragraph", "After."),
    ]
    assert (parsed.title, parsed.metadata) == (
        "Upkeep",
        {"author": "A. Writer", "date": "2024-01-02"},
    )


def test_a_link_gives_its_words():
    link = rb'{\field{\*\fldinst{HYPERLINK "https://x.y"}}{\fldrslt{the manual}}}'
    assert parse("a.rtf", rb"{\rtf1 See " + link + rb" first.}").text == "See the manual first."


def test_many_unfinished_links_cost_little_time():
    raw = rb"{\rtf1 words " + rb'{\field{\*\fldinst{HYPERLINK "a" ' * 3_000
    started = process_time()
    parse("a.rtf", raw)
    assert process_time() - started < 5


def test_rich_text_without_text_is_named_so():
    with pytest.raises(DocumentError) as caught:
        parse("a.rtf", rb"{\rtf1}")
    assert caught.value.reason == "no_text"
