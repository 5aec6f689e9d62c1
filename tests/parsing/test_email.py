"""E-mail: the message as its reader sees it, and the files it carries."""

from __future__ import annotations

import pytest

from include.errors import DocumentError
from include.parsing import parse
from tests.parsing.samples import docx, email, forwarded, pdf, shape, zipped


def test_a_message_gives_its_subject_body_and_headers():
    parsed = parse("a.eml", email())
    assert shape(parsed) == [
        ("heading", "Turbine – inspection"),
        ("paragraph", "Hello Bob."),
        ("quote", "> old"),
    ]
    assert parsed.title == "Turbine – inspection"
    assert parsed.metadata == {
        "from": "Ann <ann@example.com>",
        "author": "Ann <ann@example.com>",
        "to": "Bob <bob@example.com>",
        "date": "2022-12-16T17:04:16-05:00",
    }


def test_plain_text_is_preferred_to_a_page():
    assert "page" not in parse("a.eml", email(html="<p>page</p>")).text


def test_a_page_is_read_where_the_plain_text_says_nothing():
    parsed = parse("a.eml", email(text=" \n", html="<h2>News</h2><p>Of the day.</p>"))
    assert ("paragraph", "Of the day.") in shape(parsed)


def test_attachments_are_read_under_their_names():
    raw = email(("note.txt", b"A note."), ("report.docx", docx()), ("paper.pdf", pdf([("Page.",)])))
    parsed = parse("a.eml", raw)
    text = parsed.text
    assert text.index("Attachment: note.txt") < text.index("A note.") < text.index("They turn.")
    assert "Page." in text
    assert parsed.metadata["attachments"] == ["note.txt", "report.docx", "paper.pdf"]
    assert "attachments_unread" not in parsed.metadata


def test_an_attachment_that_cannot_be_read_is_listed_with_the_reason():
    raw = email(("photo.png", b"\x89PNG"), ("locked.pdf", pdf(password="x")), ("a.txt", b"Fine."))
    parsed = parse("a.eml", raw)
    assert parsed.metadata["attachments_unread"] == [
        "photo.png: unsupported_format",
        "locked.pdf: encrypted",
    ]
    assert "Fine." in parsed.text


def test_a_message_in_a_message_is_read():
    parsed = parse("a.eml", forwarded(email(("note.txt", b"A note.")), depth=2))
    assert "A note." in parsed.text
    assert parsed.title == "Fwd"


def test_messages_nested_too_deeply_end_where_the_limit_is():
    parsed = parse("a.eml", forwarded(email(text="The innermost.\n"), depth=6))
    assert "The innermost." not in parsed.text
    assert "See below." in parsed.text


def test_an_attached_name_is_a_name_without_folders():
    parsed = parse("a.eml", email(("../../etc/x.txt", b"Words.")))
    assert parsed.metadata["attachments"] == ["x.txt"]


def test_an_attached_bomb_is_refused_and_the_message_read():
    bomb = zipped({"word/document.xml": b"\0" * 80_000_000})
    parsed = parse("a.eml", email(("bomb.docx", bomb)))
    assert parsed.metadata["attachments_unread"] == ["bomb.docx: unsafe_archive"]


def test_an_encrypted_message_is_named_so():
    raw = b"Subject: x\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n\nabc\n--b--\n"
    with pytest.raises(DocumentError) as caught:
        parse("a.eml", raw)
    assert caught.value.reason == "encrypted"


def test_more_attachments_than_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr("include.parsing.email_parts.MOST_ATTACHMENTS", 2)
    with pytest.raises(DocumentError) as caught:
        parse("a.eml", email(*[(f"{n}.txt", b"x") for n in range(3)]))
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_a_message_saved_in_another_encoding_is_read(encoding):
    raw = email().decode().encode(encoding)
    assert parse("a.eml", raw).title == "Turbine – inspection"


@pytest.mark.parametrize("charset", ["iso-2022-jp", "shift_jis", "utf-8", "gb18030"])
def test_a_body_is_decoded_by_the_charset_it_names(charset):
    body = "東京日本"
    head = f"Subject: x\nContent-Type: text/plain; charset={charset}\n\n".encode()
    assert body in parse("a.eml", head + (body * 3).encode(charset)).text


@pytest.mark.parametrize(
    "head",
    [
        b"Subject: =?x?q?a?=",
        b"Subject: =?utf-8?b?////?=",
        b"Date: 99 Foo 99999 99:99:99 +9999",
        b"Content-Type: text/plain; charset*=x'y'%ff",
        b"Content-Type: text/plain; charset=a\0b",
        b"Content-Type: multipart/mixed",
        b"Subject: =?u\xfff-8?q?a?=",
        b'Content-Disposition: attachment; filename*0*="\xff',
        b"Content-Transfer-Encoding: base64",
        b"From: \xff\xfe@\xed\xa0\x80",
    ],
)
def test_a_broken_header_does_not_hide_the_body(head):
    parsed = parse("a.eml", head + b"\nTo: x@example.com\n\nQUJD caf\xe9 au lait\n")
    assert parsed.metadata.get("to") == "x@example.com"
