"""XML of any vocabulary becomes readable text; what is dangerous in it is refused."""

from __future__ import annotations

import pytest

from include.errors import DocumentError
from include.parsing import parse


def test_fields_keep_their_names_and_running_text_flows():
    raw = b"""<?xml version="1.0"?><book xmlns="urn:x"><title>On Birds</title><year>1999</year>
    <chapter><p>Birds <b>can</b> fly.</p><p/><note>Most of them.</note></chapter><isbn>1</isbn></book>"""
    parsed = parse("x.xml", raw)
    found = [parsed.text[block.start : block.end] for block in parsed.blocks]
    assert found == [
        "title: On Birds\nyear: 1999",
        "Birds can fly.",
        "note: Most of them.",
        "isbn: 1",
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"<a><b></a>", "malformed"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "unsafe_archive"),
        (b"<a>" * 5_000 + b"</a>" * 5_000, "malformed"),
        (b"<a/>", "no_text"),
    ],
)
def test_what_is_broken_or_dangerous_is_told(raw, reason):
    with pytest.raises(DocumentError) as caught:
        parse("x.xml", raw)
    assert caught.value.reason == reason
