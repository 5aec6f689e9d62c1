"""A bucket as a source: everything is listed, in whatever order it comes, or it is an error."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.commands.ingest import Switches, sync
from include.commands.query import ask, trace
from include.errors import DocumentError, SourceError, TransientError
from include.storage.key_space import by_folders
from include.storage.naming import sidecar_names
from include.storage.s3_listing import listed
from include.storage.s3_pairs import Pairs
from include.storage.s3_place import S3Place
from include.storage.s3_source import S3Source
from tests.conftest import World
from tests.s3.stores import Store, served

LIMIT = 1_000_000
PAGE_KEYS = 7


class Bucket:
    """A bucket to fill, listed in tiny pages."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.name = store.bucket()
        self.client = store.access().client

    def put(self, *keys: str, body: bytes = b"text") -> None:
        for key in keys:
            self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def source(self, prefix: str = "docs", store: Store | None = None, **chosen: Any) -> S3Source:
        access = (store or self.store).access()
        access.client.meta.events.register("provide-client-params.s3.ListObjectsV2", tiny_pages)
        return S3Source(f"s3://{self.name}/{prefix}".rstrip("/"), access, **chosen)


def tiny_pages(params: dict[str, Any], **_: Any) -> None:
    params.setdefault("MaxKeys", PAGE_KEYS)


@pytest.fixture
def place(s3: Store) -> Bucket:
    return Bucket(s3)


def keys(source: S3Source) -> list[str]:
    return sorted(each.key for each in source.list())


def test_every_object_below_the_prefix_is_listed_once_over_many_pages_and_ranges(place):
    names = [f"{a}/{b}/{c}.txt" for a in "abc" for b in ("x", "y y", "ü") for c in range(5)]
    names += ["top.txt", "a/direct.md", "a.b/z", "zz"]
    place.put(*(f"docs/{name}" for name in names), "docs-other/no.txt", "docs", "docs/")
    source = place.source()
    ranges = {page.after for page in listed(source._client, S3Place(place.name, "docs/"))}
    assert len(ranges) > 3
    assert keys(source) == sorted(names)
    assert source.skipped == {"folder_marker": 1}


def test_a_store_that_is_busy_now_and_then_is_listed_whole(s3, place):
    names = [f"report-{number:03d}.txt" for number in range(60)]
    place.put(*(f"docs/{name}" for name in names))
    with served("tests.s3.bad_proxy", s3.endpoint, "busy", "0.2") as proxy:
        assert keys(place.source(store=proxy)) == names


ODD = ("a b+c&d=e.txt", "100%.txt", "%2F.txt", "ünï/çødé.txt", "back\\slash.txt", "tab\there.txt",
       "quote'\".txt", "#1?.txt", "//double.txt", "a/../b.txt", "\U0001f600.txt",
       "\x01control.txt", "carriage\return.txt", "a", "a/b.txt", "é" * 500 + ".txt",
       " lead.txt", "trail ", "plus+plus.txt", "&amp;.txt", "nul\x00.txt")  # fmt: skip


def test_keys_of_any_characters_are_listed_and_read(place):
    place.put(*(f"docs/{name}" for name in ODD))
    source = place.source()
    found = {each.key: each for each in source.list()}
    # A component that begins with a dot is hidden, as in a folder.
    assert set(found) == set(ODD) - {"a/../b.txt"}
    assert len({each.uri for each in found.values()}) == len(found)
    for key, each in found.items():
        assert source.read(key, LIMIT).stamp == each.stamp != ""


def test_sidecars_are_found_wherever_the_sort_order_puts_them(place):
    place.put("docs/guide.md", "docs/guide.md.meta.json", "docs/note", "docs/note-1", "docs/note-2")
    place.put("docs/note.meta.json", "docs/page.html", "docs/page.meta.json", "docs/page.zip")
    place.put("docs/lonely.meta.json")
    source = place.source()
    with_sidecar = sorted(each.key for each in source.list() if each.sidecar_stamp)
    assert with_sidecar == ["guide.md", "note", "page.html", "page.zip"]
    assert source.skipped == {"sidecar_without_document": 1}
    for each in source.list():
        content = source.read(each.key, LIMIT)
        assert (content.stamp, content.sidecar_stamp) == (each.stamp, each.sidecar_stamp)


def test_litter_and_excluded_keys_are_left_out(place):
    place.put("docs/a.txt", "docs/.git/config", "docs/~$a.docx", "docs/drafts/b.txt", "docs/c.md")
    assert keys(place.source(exclude=("drafts/",))) == ["a.txt", "c.md"]
    assert keys(place.source(include=("*.md",))) == ["c.md"]


def test_a_stamp_changes_with_every_write_and_is_that_of_what_is_read(place):
    place.put("docs/a.txt", body=b"one")
    source = place.source()
    [before] = source.list()
    place.put("docs/a.txt", body=b"two")
    [after] = source.list()
    assert before.stamp != after.stamp == source.read("a.txt", LIMIT).stamp


def test_a_multipart_object_is_read_whole_and_stamped_alike(place):
    part = b"x" * (5 * 1024 * 1024)
    where = {"Bucket": place.name, "Key": "docs/big.txt"}
    upload = place.client.create_multipart_upload(**where)["UploadId"]
    etags = [
        {
            "PartNumber": n,
            "ETag": place.client.upload_part(**where, UploadId=upload, PartNumber=n, Body=body)[
                "ETag"
            ],
        }
        for n, body in ((1, part), (2, b"end"))
    ]
    place.client.complete_multipart_upload(
        **where, UploadId=upload, MultipartUpload={"Parts": etags}
    )
    source = place.source()
    [found] = source.list()
    assert "-2-" in found.stamp  # an ETag of two parts is no hash of the content
    assert source.read("big.txt", 10 * len(part)).raw == part + b"end"
    assert source.read("big.txt", 10 * len(part)).stamp == found.stamp
    with pytest.raises(DocumentError, match="too_large"):
        source.read("big.txt", len(part))


def test_a_deleted_key_has_vanished_and_an_archived_one_is_unreadable(place):
    where = {"Bucket": place.name, "Key": "docs/cold.txt"}
    place.client.put_object(**where, Body=b"x", StorageClass="GLACIER")
    source = place.source()
    for key, reason in (("gone.txt", "vanished"), ("cold.txt", "unreadable")):
        with pytest.raises(DocumentError) as caught:
            source.read(key, LIMIT)
        assert caught.value.reason == reason


def test_access_denied_on_one_key_sets_that_key_aside(s3, place):
    place.put("docs/a.txt")
    denying = served("tests.s3.bad_proxy", s3.endpoint, "denied", "1")
    with denying as proxy, pytest.raises(DocumentError) as caught:
        place.source(store=proxy).read("a.txt", LIMIT)
    assert caught.value.reason == "unreadable"


def test_a_body_that_breaks_off_is_taken_up_again(s3, place):
    body = random.Random(1).randbytes(300_000)
    place.put("docs/a.bin", body=body)
    with served("tests.s3.bad_proxy", s3.endpoint, "broken", "0.4") as proxy:
        for _ in range(5):
            assert place.source(store=proxy).read("a.bin", LIMIT).raw == body


def test_a_store_that_knows_no_ranges_is_read_from_the_beginning_again(s3, place):
    body = random.Random(1).randbytes(300_000)
    place.put("docs/a.bin", body=body)
    with served("tests.s3.bad_proxy", s3.endpoint, "broken", "0.4") as proxy:
        source = place.source(store=proxy)

        def forget(params: dict[str, Any], **_: Any) -> None:
            params["headers"].pop("Range", None)

        source._client.meta.events.register("before-call.s3.GetObject", forget)
        for _ in range(5):
            assert source.read("a.bin", LIMIT).raw == body


def test_bytes_that_changed_on_the_way_are_fetched_again_and_never_indexed(s3, place):
    body = random.Random(1).randbytes(30_000)
    place.put("docs/a.bin", body=body)
    with served("tests.s3.bad_proxy", s3.endpoint, "garbled", "0.5") as proxy:
        for _ in range(5):
            assert place.source(store=proxy).read("a.bin", LIMIT).raw == body
    garbling = served("tests.s3.bad_proxy", s3.endpoint, "garbled", "1", "a.bin")
    with garbling as proxy, pytest.raises(DocumentError, match=r"unreadable.*checksum"):
        place.source(store=proxy).read("a.bin", LIMIT)


def test_a_listing_whose_answers_break_off_is_an_error_and_never_a_part(s3, place):
    place.put(*(f"docs/{number:03d}.txt" for number in range(30)))
    breaking = served("tests.s3.bad_proxy", s3.endpoint, "broken", "1")
    with breaking as proxy, pytest.raises(TransientError):
        keys(place.source(store=proxy))


@pytest.mark.parametrize("forgotten", [[], ["If-Match"]], ids=["", "a store without conditions"])
def test_an_object_replaced_between_two_pieces_is_not_pieced_together(s3, place, forgotten):
    place.put("docs/a.bin", body=b"a" * 300_000)
    with served("tests.s3.bad_proxy", s3.endpoint, "broken", "1") as proxy:
        source = place.source(store=proxy)

        def replace(params: dict[str, Any], **_: Any) -> None:
            if "Range" in params:
                place.put("docs/a.bin", body=b"b" * 300_000)

        def forget(params: dict[str, Any], **_: Any) -> None:
            for name in forgotten:
                params["headers"].pop(name, None)

        source._client.meta.events.register("provide-client-params.s3.GetObject", replace)
        source._client.meta.events.register("before-call.s3.GetObject", forget)
        with pytest.raises(DocumentError, match="changed_while_read"):
            source.read("a.bin", LIMIT)


def test_a_trace_names_the_version_that_a_versioned_bucket_keeps(
    world: World, s3: Store, bucket: str
):
    name = bucket.removeprefix("s3://")
    client = s3.access().client
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for text in (b"Apples are green.", b"Apples are red."):
        version = client.put_object(Bucket=name, Key="docs/apple.txt", Body=text)["VersionId"]
    platform = world(RAG_SOURCE_URI=f"{bucket}/docs")
    assert sync(platform, Switches())[0]["added"] == 1
    chain = trace(platform, str(ask(platform, "Which colour do apples have?")["trace_id"]))
    assert [hit["source_version"] for hit in chain["hits"]] == [version]
    client.delete_object(Bucket=name, Key="docs/apple.txt")  # leaves a delete marker
    assert keys(S3Source(f"{bucket}/docs", s3.access())) == []


@pytest.mark.parametrize("rank", [str, by_folders])
def test_a_sidecar_behind_a_folder_that_is_named_like_its_beginning_is_found(rank):
    pairs: Pairs[str] = Pairs()
    names = sorted(["g.md", "g.meta/x", "g.meta.json", "h"], key=rank)
    found = [each for name in names for each in pairs.take("", name, name, name)]
    found += list(pairs.rest())
    assert ("g.md", "g.md", "g.meta.json") in found


class Unsorted:
    """A client whose store does not sort."""

    meta = type("Meta", (), {"endpoint_url": "http://store"})

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        contents = [{"Key": key} for key in ("b", "a")]
        return {"Name": "bucket", "IsTruncated": False, "Contents": contents}


def test_a_store_that_does_not_sort_its_keys_is_refused():
    with pytest.raises(SourceError, match="order"):
        list(listed(Unsorted(), S3Place("bucket", "")))


NAMES = st.lists(
    st.text("ab.-/", min_size=1, max_size=4).flatmap(
        lambda stem: st.sampled_from([stem, stem + ".md", stem + ".meta.json"])
    ),
    unique=True,
    max_size=30,
)


@given(names=NAMES, cuts=st.lists(st.text("ab.-/", min_size=1, max_size=4), unique=True, max_size=3),
       mix=st.randoms(use_true_random=False))  # fmt: skip
def test_pairing_does_not_depend_on_ranges_nor_on_which_comes_first(names, cuts, mix):
    rank = mix.choice([str, by_folders])
    names, cuts = sorted(names, key=rank), sorted(cuts, key=rank)
    parts: list[list[str]] = [[] for _ in range(len(cuts) + 1)]
    for name in names:
        parts[sum(rank(name) > rank(cut) for cut in cuts)].append(name)
    pairs: Pairs[str] = Pairs()
    starts = ["", *cuts]
    found = []
    while any(parts):
        part = mix.choice([number for number, left in enumerate(parts) if left])
        name = parts[part].pop(0)
        found += list(pairs.take(starts[part], name, name, name))
    found += list(pairs.rest())
    documents = [name for name in names if not name.endswith(".meta.json")]
    expected = {
        name: next((s for s in sidecar_names(name) if s in names), "") for name in documents
    }
    assert len(found) == len(documents)
    assert {name: sidecar for name, _, sidecar in found} == expected
