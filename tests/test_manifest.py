"""Diff and classification: what is read again, what is embedded again, what is forgotten."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from include.errors import LakeError, SourceError
from include.manifest import Differ, Difference, classify, diff

Stamps = dict[str, tuple[str, str]]

SCHEMA = {"id": pl.String, "stamp": pl.String, "sidecar_stamp": pl.String}
LISTED = {"uri": pl.String, **SCHEMA}


def manifest(documents: Stamps) -> pl.DataFrame:
    return pl.DataFrame([(i, *stamps) for i, stamps in documents.items()], SCHEMA, orient="row")


def listing(documents: Stamps) -> pl.DataFrame:
    rows = [(f"file:///{i}", i, *stamps) for i, stamps in documents.items()]
    return pl.DataFrame(rows, LISTED, orient="row")


def compare(previous: Stamps, current: Stamps, quarantined: Stamps | None = None) -> Difference:
    return diff(manifest(previous), listing(current), manifest(quarantined or {}))


def in_parts(differ: Differ, parts: Iterable[pl.DataFrame]) -> Difference:
    for part in parts:
        differ.take(part)
    return differ.difference()


def classes(found: Difference) -> dict[str, list[str]]:
    named = {
        "added": found.added["id"].to_list(),
        "touched": found.touched["id"].to_list(),
        "removed": found.removed["id"].to_list(),
        "held": found.held["id"].to_list(),
        "forgotten": found.forgotten.to_list(),
    }
    return {name: ids for name, ids in named.items() if ids}


ONE, TWO = ("1", ""), ("2", "")


@pytest.mark.parametrize(
    ("previous", "current", "quarantined", "expected"),
    [
        ({}, {}, {}, {}),
        ({}, {"a": ONE}, {}, {"added": ["a"]}),
        ({"a": ONE}, {"a": ONE}, {}, {}),
        ({"a": ONE}, {"a": TWO}, {}, {"touched": ["a"]}),
        ({"a": ONE}, {"a": ("1", "s")}, {}, {"touched": ["a"]}),
        ({"a": ("1", "s")}, {"a": ONE}, {}, {"touched": ["a"]}),
        ({"a": ONE}, {}, {}, {"removed": ["a"]}),
        ({"a": ("", "")}, {"a": ("", "")}, {}, {"touched": ["a"]}),
        ({"a": ("", "")}, {"a": ONE}, {}, {"touched": ["a"]}),
        ({"a": ONE}, {"a": ("", "")}, {}, {"touched": ["a"]}),
        ({}, {"a": ONE}, {"a": ONE}, {"held": ["a"]}),
        ({}, {"a": TWO}, {"a": ONE}, {"added": ["a"]}),
        ({}, {"a": ("", "")}, {"a": ("", "")}, {"added": ["a"]}),
        ({"a": ONE}, {"a": TWO}, {"a": TWO}, {"held": ["a"]}),
        ({"a": ONE}, {"a": ONE}, {"a": TWO}, {"touched": ["a"]}),
        ({"a": ONE}, {}, {"a": TWO}, {"removed": ["a"]}),
        ({}, {}, {"a": ONE}, {"forgotten": ["a"]}),
    ],
    ids=[
        "nothing at all",
        "a new document",
        "the same stamp",
        "another stamp",
        "a new sidecar",
        "a sidecar that went",
        "a document that went",
        "never trusted",
        "trusted from now on",
        "no longer trusted",
        "quarantined, unchanged",
        "quarantined, then edited",
        "quarantined for a passing reason",
        "a good version and a bad one that is still there",
        "back to the good version after a bad one",
        "a good and a bad version, both gone",
        "known to the quarantine only",
    ],
)
def test_every_document_falls_in_its_class(previous, current, quarantined, expected):
    assert classes(compare(previous, current, quarantined)) == expected


def test_rows_keep_the_columns_of_the_side_they_come_from():
    found = compare({"a": ONE, "b": ONE}, {"b": TWO, "c": ONE, "d": ONE}, {"d": ONE})
    assert found.added.schema == found.touched.schema == found.held.schema == LISTED
    assert found.removed.schema == SCHEMA
    assert found.added["uri"].to_list() == ["file:///c"]


@pytest.mark.parametrize("side", ["previous", "current", "quarantined"])
def test_an_id_that_occurs_twice_is_an_error(side):
    frames = {"previous": manifest({}), "current": listing({}), "quarantined": manifest({})}
    one = listing({"twin": ONE}) if side == "current" else manifest({"twin": ONE})
    frames[side] = pl.concat([one, one])
    with pytest.raises(SourceError if side == "current" else LakeError, match="'twin' twice"):
        diff(**frames)


@pytest.mark.parametrize("known", ["previous", "quarantined", "nobody"])
def test_an_id_that_two_parts_of_a_listing_name_is_an_error(known):
    sides = {name: manifest({"twin": ONE} if name == known else {}) for name in SIDES}
    differ, part = Differ(*sides.values()), listing({"twin": TWO})
    with pytest.raises(SourceError, match="'twin' twice"):
        in_parts(differ, [part, part])


SIDES = ("previous", "quarantined")
documents = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(st.sampled_from(["", "1", "2"]), st.sampled_from(["", "s"])),
)


@given(documents)
def test_a_trusted_listing_does_not_differ_from_itself(known):
    trusted = {i: (f"trusted {stamp}", sidecar) for i, (stamp, sidecar) in known.items()}
    found = compare(trusted, trusted)
    assert classes(found) == {}
    assert found.unchanged == len(trusted)


@given(documents, documents, documents, st.randoms())
def test_the_order_of_rows_does_not_matter(previous, current, quarantined, random):
    sides = [dict(previous), dict(current), dict(quarantined)]
    one = compare(*sides)
    for position, side in enumerate(sides):
        shuffled = list(side.items())
        random.shuffle(shuffled)
        sides[position] = dict(shuffled)
    other = compare(*sides)
    for name in ("added", "touched", "removed", "held"):
        assert_frame_equal(getattr(one, name), getattr(other, name))
    assert one.forgotten.to_list() == other.forgotten.to_list()


@given(documents, documents, documents)
def test_every_id_falls_in_exactly_one_class(previous, current, quarantined):
    found = compare(previous, current, quarantined)
    ids = [i for named in classes(found).values() for i in named]
    everything = {*previous, *current, *quarantined}
    assert len(ids) == len(set(ids))
    assert set(ids) <= everything
    assert len(ids) + found.unchanged == len(everything)


@given(documents, documents)
def test_applying_a_difference_to_the_manifest_gives_the_listing(previous, current):
    found = compare(previous, current)
    read = pl.concat([found.added, found.touched])
    kept = (
        manifest(previous).join(found.removed, on="id", how="anti").join(read, on="id", how="anti")
    )
    applied = pl.concat([kept, read.select(*SCHEMA)]).sort("id")
    assert_frame_equal(applied, manifest(current).sort("id"))


@given(documents, documents, documents)
def test_what_the_quarantine_holds_is_never_read_and_never_removed(previous, current, quarantined):
    found = compare(previous, current, quarantined)
    for i in found.held["id"]:
        assert quarantined[i] == current[i]
        assert current[i][0] != ""


@given(previous=documents, current=documents, quarantined=documents, size=st.integers(1, 4))
def test_a_listing_that_arrives_in_parts_says_the_same(previous, current, quarantined, size):
    differ = Differ(manifest(previous), manifest(quarantined))
    found = in_parts(differ, listing(current).iter_slices(size))
    whole = compare(previous, current, quarantined)
    assert classes(found) == classes(whole)
    assert found.unchanged == whole.unchanged


def row(content: str, text: str = "", metadata: str = "m") -> dict[str, object]:
    return {"content_hash": content, "text_hash": text or content, "metadata_hash": metadata}


@pytest.mark.parametrize(
    ("prior", "read", "expected"),
    [
        (None, row("new"), "added"),
        (None, row("gone"), "moved"),
        (None, row("here"), "copied"),
        (None, row("both"), "moved"),
        (row("x"), row("x"), "touched"),
        (row("x"), row("y"), "changed"),
        (row("x"), row("gone"), "changed"),
        (row("x", "t"), row("y", "t", "other"), "metadata"),
        (row("x", "t"), row("x", "t", "other"), "metadata"),
        (row("x", "t"), row("y", "t"), "metadata"),
        (row("x", "t"), row("x", "parsed better"), "changed"),
    ],
)
def test_what_was_read_decides_what_really_changed(prior, read, expected):
    gone, here = {"gone", "both"}, {"here", "both"}
    assert classify(prior, read, removed=gone, remaining=here) == expected


def test_a_diff_of_200_000_rows_takes_seconds_not_minutes():
    number = pl.Series(range(200_000))
    frame = pl.DataFrame(
        {"id": number.hash().cast(pl.String), "stamp": number.cast(pl.String)}
    ).with_columns(sidecar_stamp=pl.lit(""))
    found = diff(frame[1_000:], frame.reverse()[1_000:], frame[:0])
    assert (found.added.height, found.removed.height, found.unchanged) == (1_000, 1_000, 198_000)
