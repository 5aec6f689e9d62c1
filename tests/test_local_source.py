"""A folder as a source: complete listings, stamps that can be trusted, errors with names."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.documents import SourceObject
from include.errors import ConfigurationError, DocumentError, SourceError
from include.storage.files import file_uri, is_settled, local_path, read_stable
from include.storage.local import LocalSource
from include.storage.source import LISTING, SourceContent, listing_batches, listing_frame

SECOND = 1_000_000_000
LIMIT = 1_000_000


def write(root: Path, *names: str | bytes, content: bytes = b"text") -> None:
    """Files last modified an hour ago, at a time that is no whole second."""
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        settle(path)


def settle(path: str | bytes | Path, age_seconds: int = 3600) -> None:
    moment = (time.time_ns() // SECOND - age_seconds) * SECOND + 123_456_789
    os.utime(path, ns=(moment, moment))


def listed(root: Path, **options: object) -> dict[str, SourceObject]:
    return {found.key: found for found in LocalSource(file_uri(root), **options).list()}


def refusal(root: Path, key: str, limit: int = LIMIT) -> str:
    with pytest.raises(DocumentError) as error:
        LocalSource(file_uri(root)).read(key, limit)
    assert repr(key) in error.value.detail
    return error.value.reason


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder owned by a user whom file permissions stop, as they do not stop root."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        as_root = os.geteuid() == 0
        if as_root:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            if as_root:
                os.seteuid(0)
            for path, _, _ in os.walk(folder):
                os.chmod(path, 0o777)


def test_a_listing_names_every_file_by_its_path_below_the_folder(inbox):
    write(inbox, "a.txt", "deep/er/b.md", "no extension")
    assert set(listed(inbox)) == {"a.txt", "deep/er/b.md", "no extension"}


def test_an_object_says_where_it_is_how_large_and_when_modified(inbox):
    write(inbox, "deep/b c.md", content=b"12345")
    found = listed(inbox)["deep/b c.md"]
    assert (found.source, found.size) == (inbox.as_uri(), 5)
    assert found.uri == (inbox / "deep" / "b c.md").as_uri()
    assert found.modified.timestamp() == pytest.approx((inbox / "deep/b c.md").stat().st_mtime)
    assert found.modified.tzinfo is not None


@pytest.mark.parametrize(
    "name",
    [
        *(".hidden", ".git/config", "a/.b/c", "~$a.docx", "a.txt~", ".a.txt.swp", "a.tmp"),
        *("a.pdf.part", "a.crdownload", "Thumbs.db", ".DS_Store", "a/desktop.ini"),
    ],
)
def test_hidden_and_temporary_files_are_not_documents(inbox, name):
    write(inbox, name, "document.txt")
    assert set(listed(inbox)) == {"document.txt"}


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (("**",), (), {"a.md", "a.txt", "docs/b.md", "docs/old/c.md"}),
        (("*.md",), (), {"a.md", "docs/b.md", "docs/old/c.md"}),
        (("/*.md",), (), {"a.md"}),
        (("docs/**",), (), {"docs/b.md", "docs/old/c.md"}),
        (("docs/",), ("docs/old/",), {"docs/b.md"}),
        (("**",), ("**/old/**", "*.txt"), {"a.md", "docs/b.md"}),
        (("*.md", "*.txt"), ("docs",), {"a.md", "a.txt"}),
        (("*.pdf",), (), set()),
    ],
)
def test_patterns_select_as_in_gitignore(inbox, include, exclude, expected):
    write(inbox, "a.md", "a.txt", "docs/b.md", "docs/old/c.md")
    assert set(listed(inbox, include=include, exclude=exclude)) == expected


def test_a_pattern_that_means_nothing_names_its_setting(inbox):
    with pytest.raises(ConfigurationError, match="RAG_SOURCE_EXCLUDE"):
        LocalSource(file_uri(inbox), exclude=("!",))


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_source_that_is_not_there_is_an_error_and_not_an_empty_listing(tmp_path, kind):
    if kind == "file":
        (tmp_path / "source").write_text("a file")
    with pytest.raises(SourceError, match="Create the folder"):
        list(LocalSource(file_uri(tmp_path / "source")).list())


def test_an_unreadable_folder_inside_makes_the_listing_fail(unprivileged):
    write(unprivileged, "a.txt", "secret/b.txt")
    (unprivileged / "secret").chmod(0o000)
    with pytest.raises(SourceError, match=r"secret.*Permission denied.*RAG_SOURCE_EXCLUDE"):
        list(LocalSource(file_uri(unprivileged)).list())


def test_a_folder_whose_names_but_not_whose_files_can_be_seen_makes_the_listing_fail(unprivileged):
    write(unprivileged, "secret/b.txt")
    (unprivileged / "secret").chmod(0o444)
    with pytest.raises(SourceError, match="secret"):
        list(LocalSource(file_uri(unprivileged)).list())


def test_an_excluded_folder_is_not_even_entered(unprivileged):
    write(unprivileged, "a.txt", "secret/b.txt")
    (unprivileged / "secret").chmod(0o000)
    assert set(listed(unprivileged, exclude=("secret/",))) == {"a.txt"}


def test_a_link_whose_target_cannot_be_looked_at_makes_the_listing_fail(unprivileged):
    write(unprivileged, "secret/b.txt")
    (unprivileged / "b.txt").symlink_to("secret/b.txt")
    (unprivileged / "secret").chmod(0o000)
    with pytest.raises(SourceError, match=r"b\.txt"):
        list(LocalSource(file_uri(unprivileged), exclude=("secret/",)).list())


def test_a_folder_that_vanishes_during_the_listing_makes_it_fail(inbox):
    write(inbox, "one/a.txt", "two/b.txt")
    stream = LocalSource(file_uri(inbox)).list()
    first = next(stream).key.split("/")[0]
    other = inbox / ("two" if first == "one" else "one")
    other.rename(inbox.parent / "elsewhere")
    with pytest.raises(SourceError):
        list(stream)


def test_a_listing_opens_no_file(unprivileged):
    write(unprivileged, "a.txt")
    (unprivileged / "a.txt").chmod(0o000)
    assert listed(unprivileged)["a.txt"].stamp != ""


def test_a_sidecar_belongs_to_its_document_and_is_not_one(inbox):
    write(inbox, "a.txt", "a.txt.meta.json", "b.txt")
    found = listed(inbox)
    assert set(found) == {"a.txt", "b.txt"}
    assert found["a.txt"].sidecar_stamp != "" == found["b.txt"].sidecar_stamp


def test_a_sidecar_without_a_document_is_left_out_and_counted(inbox):
    write(inbox, "gone.txt.meta.json")
    source = LocalSource(file_uri(inbox))
    assert list(source.list()) == []
    assert source.skipped == {"sidecar_without_document": 1}


def test_a_healthy_listing_leaves_nothing_out(inbox):
    write(inbox, "a.txt", "a.txt.meta.json")
    source = LocalSource(file_uri(inbox))
    list(source.list())
    assert source.skipped == {}


def test_links_are_followed_to_files_inside_the_source_only(inbox):
    write(inbox, "real/a.txt")
    write(inbox.parent, "outside/secret.txt")
    (inbox / "inside.txt").symlink_to("real/a.txt")
    (inbox / "outside.txt").symlink_to(inbox.parent / "outside" / "secret.txt")
    (inbox / "outside folder").symlink_to(inbox.parent / "outside")
    (inbox / "real" / "loop").symlink_to(inbox)
    (inbox / "ring.txt").symlink_to("ring.txt")
    (inbox / "dangling.txt").symlink_to("nowhere")
    source = LocalSource(file_uri(inbox))
    assert {found.key for found in source.list()} == {"real/a.txt", "inside.txt"}
    assert source.skipped == {"link_out_of_source": 1, "link_to_folder": 2, "dangling_link": 2}
    assert refusal(inbox, "outside.txt") == refusal(inbox, "../outside/secret.txt") == "not_a_file"


def test_a_sidecar_that_links_out_of_the_source_is_not_read(inbox):
    write(inbox, "a.txt")
    write(inbox.parent, "secret.json", content=b"{}")
    (inbox / "a.txt.meta.json").symlink_to(inbox.parent / "secret.json")
    assert listed(inbox)["a.txt"].sidecar_stamp == ""
    assert LocalSource(file_uri(inbox)).read("a.txt", LIMIT).sidecar is None


def test_a_source_may_itself_be_a_link(inbox):
    write(inbox, "a.txt")
    (inbox.parent / "link").symlink_to(inbox)
    source = LocalSource(file_uri(inbox.parent / "link"))
    assert [found.source for found in source.list()] == [file_uri(inbox.parent / "link")]
    assert source.read("a.txt", LIMIT).raw == b"text"


def test_pipes_and_sockets_are_left_out_and_reading_them_does_not_wait(inbox, monkeypatch):
    os.mkfifo(inbox / "pipe.txt")
    monkeypatch.chdir(inbox)  # a socket's path may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.txt")
        source = LocalSource(file_uri(inbox))
        assert list(source.list()) == []
        assert source.skipped == {"special_file": 2}
        assert refusal(inbox, "pipe.txt") == refusal(inbox, "socket.txt") == "not_a_file"


STRANGE = ["100%.txt", "caf%E9.txt", b"caf\xe9.txt", "名前.txt", "a\nb.txt", "a#b?c.txt", " a .txt"]


def test_any_file_name_has_its_own_key_and_can_be_read_by_it(inbox):
    for number, name in enumerate(STRANGE):
        write(inbox, name, os.fsencode("deep/") + os.fsencode(name), content=bytes([number]))
    source = LocalSource(file_uri(inbox))
    found = list(source.list())
    assert len({one.key for one in found}) == len({one.id for one in found}) == 2 * len(STRANGE)
    for one in found:
        one.key.encode("utf-8")
        assert source.read(one.key, LIMIT).raw == local_path(one.uri).read_bytes()


def test_an_ordinary_name_is_its_own_key(inbox):
    write(inbox, "Über uns/größe.txt")
    assert set(listed(inbox)) == {"Über uns/größe.txt"}


@given(st.binary(min_size=1).filter(lambda raw: b"\0" not in raw))
def test_a_path_survives_its_uri(raw):
    path = os.fsencode("/" + os.fsdecode(raw).strip("/"))
    assert os.fsencode(local_path(file_uri(os.fsdecode(path)))) == os.fsencode(
        Path(os.fsdecode(path))
    )


def test_reading_gives_bytes_stamps_and_sidecar_as_the_listing_has_them(inbox):
    write(inbox, "a.txt", content=b"\xff\x00 any bytes")
    write(inbox, "a.txt.meta.json", content=b'{"year": 2026}')
    entry = listed(inbox)["a.txt"]
    content = LocalSource(file_uri(inbox)).read("a.txt", LIMIT)
    assert content == SourceContent(
        b"\xff\x00 any bytes", entry.stamp, b'{"year": 2026}', entry.sidecar_stamp
    )
    assert "" not in (entry.stamp, entry.sidecar_stamp)


def test_a_file_of_exactly_the_limit_is_read_and_one_above_is_not(inbox):
    write(inbox, "a.txt", content=b"12345")
    assert LocalSource(file_uri(inbox)).read("a.txt", 5).raw == b"12345"
    assert refusal(inbox, "a.txt", limit=4) == "too_large"


def test_a_sidecar_above_the_limit_sets_its_document_aside(inbox):
    write(inbox, "a.txt", content=b"1")
    write(inbox, "a.txt.meta.json", content=b"x" * 100)
    with pytest.raises(DocumentError, match=r"a\.txt\.meta\.json"):
        LocalSource(file_uri(inbox)).read("a.txt", 50)


def test_a_document_that_is_gone_or_became_a_folder_has_its_reason(inbox):
    write(inbox, "folder/a.txt")
    assert refusal(inbox, "gone.txt") == refusal(inbox, "folder/a.txt/b") == "vanished"
    assert refusal(inbox, "folder") == "not_a_file"


def test_a_document_without_permission_is_unreadable(unprivileged):
    write(unprivileged, "a.txt")
    (unprivileged / "a.txt").chmod(0o000)
    assert refusal(unprivileged, "a.txt") == "unreadable"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_file_that_never_holds_still_is_changed_while_read():
    # Its size always reads 0, so whatever it gives has changed since it was measured.
    with pytest.raises(DocumentError, match="changed_while_read"):
        read_stable("/proc/self/status", "status", LIMIT)


def test_an_edit_changes_the_stamp_even_at_the_same_size(inbox):
    write(inbox, "a.txt", content=b"one")
    before = listed(inbox)["a.txt"].stamp
    (inbox / "a.txt").write_bytes(b"two")
    settle(inbox / "a.txt", age_seconds=60)
    assert listed(inbox)["a.txt"].stamp not in ("", before)


@pytest.mark.parametrize(
    ("modified", "now", "settled"),
    [
        (10 * SECOND + 1, 10 * SECOND + 2, False),
        (10 * SECOND + 1, 10 * SECOND + 49_000_000, False),
        (10 * SECOND + 1, 10 * SECOND + 51_000_000, True),
        (10 * SECOND, 11 * SECOND, False),
        (10 * SECOND, 12 * SECOND, True),
        (20 * SECOND + 1, 10 * SECOND, False),
        (500 * SECOND + 1, 10 * SECOND, True),
    ],
    ids=["now", "in the tick", "after it", "whole", "whole, later", "skewed clock", "far future"],
)
def test_a_file_is_settled_when_a_further_edit_must_show(tmp_path, modified, now, settled):
    (tmp_path / "a").touch()
    os.utime(tmp_path / "a", ns=(modified, modified))
    assert is_settled((tmp_path / "a").stat(), now) is settled


def test_a_file_too_fresh_to_trust_has_no_stamp_until_it_settles(inbox):
    write(inbox, "a.txt", "b.txt", "b.txt.meta.json")
    moment = (inbox / "b.txt.meta.json").stat().st_mtime_ns
    settle(inbox / "a.txt", age_seconds=7200)
    fresh = listed(inbox, clock=lambda: moment + 1_000_000)
    assert fresh["a.txt"].stamp != "" == fresh["b.txt"].stamp
    later = listed(inbox, clock=lambda: moment + SECOND)
    assert later["b.txt"].stamp != ""


def test_a_fresh_sidecar_makes_its_document_untrusted(inbox):
    write(inbox, "a.txt", "a.txt.meta.json")
    settle(inbox / "a.txt", age_seconds=7200)
    moment = (inbox / "a.txt.meta.json").stat().st_mtime_ns
    found = listed(inbox, clock=lambda: moment)["a.txt"]
    assert found.stamp == "" != found.sidecar_stamp


def test_reading_a_file_written_just_now_gives_the_stamp_of_the_next_listing(inbox):
    source = LocalSource(file_uri(inbox))
    for number in range(5):
        (inbox / "a.txt").write_text(f"version {number}")
        content = source.read("a.txt", LIMIT)
        assert content.stamp == next(source.list()).stamp != ""


def test_listing_an_unchanged_tree_twice_gives_the_same_rows(inbox):
    write(inbox, "a.txt", "a.txt.meta.json", "deep/b.txt")
    one, two = (listing_frame(LocalSource(file_uri(inbox)).list()).sort("id") for _ in range(2))
    assert one.equals(two)
    assert "" not in one["stamp"]


def test_a_listing_becomes_frames_of_bounded_size(inbox):
    write(inbox, *(f"{number}.txt" for number in range(25)))
    objects = list(LocalSource(file_uri(inbox)).list())
    batches = list(listing_batches(iter(objects), rows=10))
    assert [batch.height for batch in batches] == [10, 10, 5]
    assert all(batch.schema == LISTING for batch in batches)
    row = pl.concat(batches).row(3, named=True)
    assert row == {"id": objects[3].id, **{name: getattr(objects[3], name) for name in row}}


def test_an_empty_folder_is_an_empty_listing(inbox):
    assert listing_frame(LocalSource(file_uri(inbox)).list()).equals(pl.DataFrame(schema=LISTING))


def test_an_absurd_modification_time_does_no_harm(inbox):
    write(inbox, "a.txt")
    os.utime(inbox / "a.txt", times=(0, 1e12))
    assert listing_frame(LocalSource(file_uri(inbox)).list()).height == 1


def test_a_sidecar_may_be_named_after_the_document_without_its_ending(tmp_path: Path) -> None:
    (tmp_path / "guide.md").write_text("# Guide")
    (tmp_path / "guide.meta.json").write_text('{"year": 2026}')
    source = LocalSource(tmp_path.as_uri())
    (found,) = source.list()
    assert found.key == "guide.md"
    assert found.sidecar_stamp
    assert source.skipped == {}
    assert source.read("guide.md", 1_000).sidecar == b'{"year": 2026}'


def test_the_sidecar_with_the_full_name_comes_first(tmp_path: Path) -> None:
    (tmp_path / "guide.md").write_text("# Guide")
    (tmp_path / "guide.meta.json").write_text('{"of": "both"}')
    (tmp_path / "guide.md.meta.json").write_text('{"of": "guide.md"}')
    source = LocalSource(tmp_path.as_uri())
    assert len(list(source.list())) == 1
    assert source.read("guide.md", 1_000).sidecar == b'{"of": "guide.md"}'
