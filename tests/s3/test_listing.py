"""A listing by many requests at once says what a listing by one after the other would have said."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import TransientError
from include.storage.key_space import KeySpace
from include.storage.s3_parsing import take_objects
from tests.s3.listed_bucket import ListedBucket, every_key, ranges
from tests.s3.stores import Store

HEX = st.integers(0, 2**128 - 1).map(lambda number: str(uuid.UUID(int=number)))
NUMBERED = st.integers(0, 400).map(lambda number: f"report-{number:07d}.html")
DATED = st.dates().map(lambda day: f"{day.isoformat()}.json")
FOLDERS = st.lists(st.sampled_from(["a", "b b", "2024", "ü", "z"]), min_size=1, max_size=4)
ANY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
NAMES = st.one_of(
    *(st.lists(each, max_size=40, unique=True) for each in (HEX, NUMBERED, DATED, ANY)),
    st.lists(FOLDERS.map("/".join), max_size=40, unique=True),
    st.lists(st.one_of(HEX, NUMBERED, ANY), max_size=40, unique=True),
)
PREFIXES = st.sampled_from(["", "docs/", "ü/"])


@given(NAMES, PREFIXES, st.integers(1, 9), st.integers(1, 16))
def test_every_key_is_listed_once_and_in_the_order_of_its_range(names, prefix, page_keys, at_once):
    keys = [prefix + name for name in names]
    elsewhere = ["docs", "docs-other/x", "ü0", "zz/y"] if prefix else []
    bucket = ListedBucket([*keys, *elsewhere], page_keys)
    found = ranges(bucket, prefix, at_once)
    assert sorted(every_key(found)) == sorted(keys)
    for after, pages in found.items():
        mine = [key for page in pages for key in page]
        assert mine == sorted(mine)
        assert all(key > after for key in mine)


# Names about which the two orders differ, and folders that a cut could hit.
BESIDE = st.lists(
    st.lists(st.sampled_from(["a", "b", "2", "3", "a-b", "a.md", "a b", "b-1", "2-x", "2.md", "m"]),
             min_size=1, max_size=4).map("/".join),
    max_size=60, unique=True,
)  # fmt: skip
TREES = st.one_of(NAMES, BESIDE).map(
    lambda names: [
        name for name in names if "\0" not in name and "~" not in name and "//" not in name
    ]
)


@given(TREES, PREFIXES, st.integers(1, 9), st.integers(1, 16))
def test_a_store_that_sorts_by_folders_is_listed_whole_too(names, prefix, page_keys, at_once):
    keys = [prefix + name for name in names if not name.startswith("/")]
    bucket = ListedBucket(keys, page_keys, by_folders=True)
    assert sorted(every_key(ranges(bucket, prefix, at_once))) == sorted(keys)


@pytest.mark.parametrize("by_folders", [False, True])
def test_years_beside_files_of_their_names_are_listed_whole_by_many_requests(by_folders):
    names = [
        f"docs/{year}{end}/{number:03d}.md"
        for year in range(2015, 2027)
        for end in ("", "-draft", ".old")
        for number in range(40)
    ]
    names += [f"docs/{year}.md" for year in range(2015, 2027)]
    bucket = ListedBucket(names, 10, by_folders=by_folders)
    bucket.seconds = 0.002
    found = ranges(bucket, "docs/")
    assert sorted(every_key(found)) == sorted(names)
    assert len(found) > 4


@given(NAMES, st.integers(1, 5), st.data())
def test_a_key_that_stays_is_listed_once_whatever_comes_and_goes_meanwhile(names, page_keys, data):
    moving = data.draw(st.lists(st.sampled_from(names or ["new"]), max_size=12, unique=True))
    changes = data.draw(
        st.lists(st.sets(st.sampled_from([*moving, "a new one", "0"])), max_size=30)
    )
    bucket = ListedBucket(names, page_keys, changes)
    found = Counter(every_key(ranges(bucket)))
    assert not found or max(found.values()) == 1
    assert set(names) - set(moving) - {"a new one", "0"} <= set(found)
    assert set(found) <= {*names, "new", "a new one", "0"}


@given(st.integers(0, 40))
def test_one_request_that_fails_fails_the_whole_listing(fails):
    names = [f"{number:04d}" for number in range(200)]
    bucket = ListedBucket(names, 5, fails=fails)
    with pytest.raises(TransientError, match="busy"):
        ranges(bucket)


WORDS = ("alpha", "beta", "gamma", "delta", "kappa", "lambda", "omega", "sigma")
FLAT: dict[str, list[str]] = {
    "random": [str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))
               for number in range(4_000)],
    "numbered": [f"report-{number:07d}.html" for number in range(4_000)],
    "dated": [f"2024-{day // 28 % 12 + 1:02d}-{day % 28 + 1:02d}T{hour:02d}:{minute:02d}.json"
              for day in range(84) for hour in range(24) for minute in (0, 30)],
    "words": [f"{a}-{b}-{c}-{number}" for a in WORDS for b in WORDS for c in WORDS
              for number in range(8)],
    "han": [chr(0x4E00 + number * 5) + chr(0x4E00 + number) for number in range(4_000)],
    "folders": [f"{number % 100:03d}/report-{number}.html" for number in range(4_000)],
}  # fmt: skip


@pytest.mark.parametrize("kind", FLAT)
def test_a_million_keys_in_one_folder_are_listed_by_many_requests_at_once(kind):
    names, page_keys = [f"docs/{name}" for name in FLAT[kind]], 20
    bucket = ListedBucket(names, page_keys)
    bucket.seconds = 0.002
    found = ranges(bucket, "docs/")
    assert sorted(every_key(found)) == sorted(names)
    pages = -(-len(names) // page_keys)
    assert max(map(len, found.values())) < pages / 3
    assert bucket.requests < pages * 2


def test_a_listing_of_one_page_is_one_request():
    bucket = ListedBucket(["a", "b"], 2)
    assert list(every_key(ranges(bucket))) == ["a", "b"]
    assert bucket.requests == 1


def test_keys_as_long_as_they_may_be_are_never_asked_for_with_a_longer_one():
    names = ["\U0001f600" * 240 + "\U0001f600" * count + "x" for count in range(16)]
    prefix = "d" * 59 + "/"
    bucket = ListedBucket([prefix + name for name in names], 1)
    assert sorted(every_key(ranges(bucket, prefix))) == sorted(prefix + name for name in names)
    assert max(map(len, bucket.starts), default=0) <= 1024


@given(NAMES, ANY, ANY)
def test_a_cut_lies_between_its_ends_or_is_none(names, after, until):
    space = KeySpace("docs/")
    space.learn(sorted(f"docs/{name}" for name in names))
    low, high = sorted((f"docs/{after}", f"docs/{until}"))
    for limit in ("", high):
        cut = space.between(low, limit)
        assert cut is None or (low < cut.key and (not limit or cut.key < limit))


def test_a_page_holds_what_botocore_finds_in_it(s3: Store):
    where: dict[str, Any] = {"Bucket": s3.bucket()}
    client = s3.access().client
    for key in ("a b+c&d.txt", "ü/<x>.txt", "100%.txt"):
        client.put_object(**where, Key=key, Body=key.encode())
    ours = client.list_objects_v2(**where)
    client.meta.events.unregister("before-parse.s3.ListObjectsV2", take_objects)
    theirs = client.list_objects_v2(**where)
    kept = [{name: each[name] for name in ours["Contents"][0]} for each in theirs["Contents"]]
    assert ours["Contents"] == kept
    assert {"Key", "ETag", "Size", "LastModified"} == set(ours["Contents"][0])
    beside = ("Contents", "ResponseMetadata")
    assert {k: v for k, v in ours.items() if k not in beside} == {
        k: v for k, v in theirs.items() if k not in beside
    }


@pytest.mark.parametrize("body", [
    b"<html><p>Welcome!</p>", b"", b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
    b"<ListBucketResult><Contents><Key>a</Key><ETag>x</ETag><Size>many</Size>"
    b"<LastModified>2026-01-01T00:00:00Z</LastModified></Contents></ListBucketResult>",
])  # fmt: skip
def test_a_body_that_is_not_understood_is_left_to_botocore(body):
    answer, taken = {"status_code": 200, "body": body}, {}  # type: ignore[var-annotated]
    take_objects(answer, taken)
    assert answer["body"] == body
    assert taken == {}
