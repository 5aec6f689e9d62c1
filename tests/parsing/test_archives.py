"""The guard in front of archives and XML: bombs, lies and traversal end with a reason, cheaply."""

from __future__ import annotations

import gzip
import tracemalloc
import zipfile

import pytest

from include.errors import DocumentError
from include.parsing import media_type, parse
from include.parsing.archives import Archive, gunzip
from include.parsing.limits import MEBIBYTE, MOST_MEMBERS
from include.parsing.xml_trees import parse_xml
from tests.parsing.samples import (
    ENTITY_BOMB,
    docx,
    epub,
    lying_zip,
    odt,
    pptx,
    rezipped,
    xlsx,
    zipped,
)

ARCHIVES = {"a.docx": docx, "a.pptx": pptx, "a.xlsx": xlsx, "a.epub": epub, "a.odt": odt}
MAIN_PARTS = {
    "a.docx": "word/document.xml",
    "a.pptx": "ppt/slides/slide1.xml",
    "a.xlsx": "xl/worksheets/sheet1.xml",
    "a.epub": "OEBPS/book.opf",
    "a.odt": "content.xml",
}


def refusal(name: str, raw: bytes) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        parse(name, raw)
    return caught.value


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_bomb_is_refused_without_being_unpacked(name):
    bomb = rezipped(ARCHIVES[name](), {MAIN_PARTS[name]: b" " * (100 * MEBIBYTE)})
    tracemalloc.start()
    try:
        error = refusal(name, bomb)
        assert tracemalloc.get_traced_memory()[1] < 10 * MEBIBYTE
    finally:
        tracemalloc.stop()
    assert error.reason == "unsafe_archive"
    assert "200" in error.detail


@pytest.mark.parametrize("name", ARCHIVES)
def test_many_members_that_are_large_together_are_too_large(name, monkeypatch):
    monkeypatch.setattr("include.parsing.archives.MOST_UNPACKED_BYTES", MEBIBYTE)
    padded = rezipped(ARCHIVES[name](), {f"media/{n}": b"x" * 65_536 for n in range(20)})
    assert refusal(name, padded).reason == "too_large"


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize(
    "member", ["../evil", "a/../../evil", "/etc/passwd", "..\\evil", "C:\\evil", "\\\\host\\x"]
)
def test_a_member_that_points_out_of_the_archive_is_refused(name, member):
    assert refusal(name, rezipped(ARCHIVES[name](), {member: "x"})).reason == "unsafe_archive"


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_entity_bomb_is_refused(name):
    raw = rezipped(ARCHIVES[name](), {MAIN_PARTS[name]: ENTITY_BOMB})
    assert refusal(name, raw).reason == "unsafe_archive"


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_file_is_not_read_from_the_machine(name, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    bomb = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]><x>&e;</x>'
    assert refusal(name, rezipped(ARCHIVES[name](), {MAIN_PARTS[name]: bomb})).reason == (
        "unsafe_archive"
    )


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_truncated_archive_is_malformed(name):
    raw = ARCHIVES[name]()
    assert {refusal(name, raw[: len(raw) * n // 10]).reason for n in range(1, 10)} == {"malformed"}


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx", "a.odt"])
def test_a_document_type_is_refused_where_no_program_writes_one(name):
    raw = rezipped(ARCHIVES[name](), {MAIN_PARTS[name]: '<!DOCTYPE x SYSTEM "y.dtd"><x/>'})
    assert refusal(name, raw).reason == "unsafe_archive"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_in_every_encoding(encoding):
    raw = ENTITY_BOMB.replace('<?xml version="1.0"?>', "").encode(encoding)
    with pytest.raises(DocumentError) as caught:
        parse_xml(raw, "x")
    assert caught.value.reason == "unsafe_archive"


def test_a_member_that_lies_about_its_size_gives_no_more_than_it_claims():
    raw = lying_zip("a", b"x" * (20 * MEBIBYTE), claimed=1000)
    archive = Archive(raw).check()
    tracemalloc.start()
    try:
        assert len(archive.read("a")) <= 1000
        assert tracemalloc.get_traced_memory()[1] < MEBIBYTE
    finally:
        tracemalloc.stop()


def test_more_members_than_the_limit_are_refused():
    raw = zipped(dict.fromkeys(map(str, range(MOST_MEMBERS + 1)), ""), zipfile.ZIP_STORED)
    assert refusal("a.docx", raw).reason == "unsafe_archive"


def test_an_encrypted_member_is_named_so():
    raw = bytearray(docx())
    at = raw.index(b"PK\x01\x02") + 8
    raw[at] |= 1
    assert refusal("a.docx", bytes(raw)).reason == "encrypted"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_documents_never_use_is_refused(method):
    raw = zipped({"word/document.xml": "<x/>"}, method)
    assert refusal("a.docx", raw).reason == "unsafe_archive"


# -- gzip ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.txt.gz", b"Words."), ("a.MD.GZ", b"# Words."), ("a.html.gz", b"<p>Words.</p>"), ("a.gz", b"Words.")],
)  # fmt: skip
def test_compressed_text_is_read_as_what_it_holds(name, content):
    assert parse(name, gzip.compress(content)).text == "Words."
    assert media_type(name) == media_type(name[:-3])


def test_an_unpacked_file_that_kept_its_name_is_read():
    assert parse("a.txt.gz", b"Words.").text == "Words."


def test_members_of_a_gzip_file_follow_each_other():
    assert gunzip(gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"


def test_a_gzip_bomb_is_too_large(monkeypatch):
    monkeypatch.setattr("include.parsing.archives.MOST_UNPACKED_BYTES", MEBIBYTE)
    bomb = gzip.compress(b" " * (50 * MEBIBYTE))
    tracemalloc.start()
    try:
        error = refusal("a.txt.gz", bomb)
        assert tracemalloc.get_traced_memory()[1] < 5 * MEBIBYTE
    finally:
        tracemalloc.stop()
    assert error.reason == "too_large"
    assert "1 MiB" in error.detail


@pytest.mark.parametrize("keep", [5, 15, -3])
def test_a_truncated_gzip_file_is_malformed(keep):
    assert refusal("a.txt.gz", gzip.compress(b"Words. " * 50)[:keep]).reason == "malformed"


def test_an_archive_in_gzip_is_unsupported():
    assert refusal("a.tar.gz", gzip.compress(b"x")).reason == "unsupported_format"


def test_gzip_in_gzip_is_unsupported():
    raw = gzip.compress(gzip.compress(b"Words."))
    assert refusal("a.txt.gz.gz", raw).reason == "unsupported_format"
    assert media_type("a.txt.gz.gz") is None
