"""Metadata: typed values, fields from paths, access labels, and what overrides what."""

from __future__ import annotations

import json
import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import ConfigurationError, DocumentError
from include.metadata import (
    Fields,
    MetadataRules,
    PathPattern,
    access_labels,
    document_metadata,
    fields_from_path,
    labels_of,
    parse_labels,
)


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("int", 2024, 2024),
        ("int", " 2024 ", 2024),
        ("int", 2024.0, 2024),
        ("int", "-9223372036854775808", -(2**63)),
        ("int", 2**63, None),
        ("int", "9" * 5_000, None),
        ("int", "٣", None),
        ("int", True, None),
        ("int", 1.5, None),
        ("int", float("inf"), None),
        ("int", [2024], None),
        ("float", "1e3", 1000.0),
        ("float", "nan", None),
        ("float", float("inf"), None),
        ("float", 10**400, None),
        ("float", False, None),
        ("bool", "Yes", True),
        ("bool", False, False),
        ("bool", 1, None),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("date", "2024-02-29T23:59:00-05:00", date(2024, 2, 29)),
        ("date", "2023-02-29", None),
        ("date", "soon", None),
        ("date", 2024, None),
        ("text", "é", "é"),
        ("text", "a\ud800b", "a?b"),
        ("text", 3, "3"),
        ("text", True, "true"),
        ("text", ["a"], None),
        ("text", {}, None),
        ("list", "a, b,, a ", ("a", "b")),
        ("list", ["a", 1], ("a", "1")),
        ("list", [], ()),
        ("list", [["a"]], None),
        ("list", {"a": 1}, None),
    ],
)
def test_a_value_counts_when_it_is_of_its_kind(kind: str, raw: object, value: object) -> None:
    fields = Fields.parse(f"x:{kind}")
    assert fields.values({"x": raw}) == {"x": value}
    assert fields.invalid({"x": raw}) == ([] if value is not None else ["x"])


def test_a_negative_zero_is_a_zero() -> None:
    assert str(Fields.parse("x:float").values({"x": -0.0})["x"]) == "0.0"


def test_an_absent_or_null_value_is_none_and_not_invalid() -> None:
    fields = Fields.parse("x:int y:int")
    assert fields.values({"y": None}) == {"x": None, "y": None}
    assert fields.invalid({"y": None}) == []


def test_a_field_is_found_under_any_spelling_of_its_name() -> None:
    fields = Fields.parse("last_modified:date")
    assert fields.values({"Last-Modified": "2024-01-01"}) == {"last_modified": date(2024, 1, 1)}
    assert fields.values({"LAST MODIFIED": "2024-01-01"}) == {"last_modified": date(2024, 1, 1)}


@pytest.mark.parametrize(
    "declared",
    ["year", "year:", "year:number", "Year:int", "1st:int", "a-b:int", ":int", "é:int",
     "title:text", "lang:text", "acl:list", "_invalid:list", "not:int", "a:int a:text",
     "x" * 64 + ":int"],
)  # fmt: skip
def test_a_declaration_that_cannot_be_is_refused_by_name(declared: str) -> None:
    with pytest.raises(ConfigurationError, match="RAG_METADATA_FIELDS"):
        Fields.parse(declared)


@given(st.dictionaries(st.text(max_size=5), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)))  # fmt: skip
def test_any_metadata_has_values_for_every_field(metadata: dict[str, object]) -> None:
    fields = Fields.parse("a:int b:float c:bool d:date e:text f:list")
    for name in metadata:
        fields.values({"abcdef"[len(name) % 6]: metadata[name]})
    assert set(fields.values(metadata)) == set("abcdef")


@pytest.mark.parametrize(
    ("pattern", "key", "fields"),
    [
        ("{department}/{year}/*", "hr/2024/a.md", {"department": "hr", "year": "2024"}),
        ("{department}/{year}/*", "hr/2024/deep/a.md", {}),
        ("{department}/{year}/*", "hr/a.md", {}),
        ("{department}/**", "hr/2024/deep/a.md", {"department": "hr"}),
        ("{department}/**", "a.md", {}),
        ("docs/{year}-{month}-*.md", "docs/2024-05-it-is.md", {"year": "2024", "month": "05"}),
        ("docs/{year}-*.md", "docs/2024-.md", {"year": "2024"}),
        ("docs/{year}-*.md", "docs/-x.md", {}),
        ("{name}.md", "a.md.md", {"name": "a.md"}),
        ("{name}.md", ".md", {}),
        ("{a}_{b}", "x_y_z", {"a": "x", "b": "y_z"}),
        ("{Department}/*", "Größe 😀/it's", {"department": "Größe 😀"}),
        ("{a}/*", "../etc/passwd", {}),
        ("{a}/*", "../passwd", {"a": ".."}),
        ("{a}/*", "", {}),
    ],
)
def test_a_key_gives_the_fields_of_its_pattern(pattern, key, fields) -> None:
    assert fields_from_path(key, [PathPattern.parse(pattern)]) == fields


def test_of_several_patterns_the_first_one_wins_and_the_others_add() -> None:
    patterns = [PathPattern.parse("{team}/*/*"), PathPattern.parse("{team}/{year}/**")]
    patterns += [PathPattern.parse("*/{team}/*")]
    assert fields_from_path("hr/2024/a.md", patterns) == {"team": "hr", "year": "2024"}


@pytest.mark.parametrize(
    "pattern",
    [
        "*",
        "a/b",
        "{}",
        "{a b!}",
        "{a}{b}",
        "{a}*",
        "{a}/{a}",
        "{a",
        "a}",
        "{a}//b",
        "/{a}",
        "{a/b}",
    ],
)
def test_a_pattern_without_a_plain_meaning_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="RAG_METADATA_PATTERNS"):
        PathPattern.parse(pattern)


def test_a_key_of_one_long_repetition_is_matched_at_once() -> None:
    pattern = PathPattern.parse("-".join(f"{{f{n}}}" for n in range(20)) + ".md")
    began = time.process_time()
    assert pattern.match("-" * 100_000) is None
    assert pattern.match("a-" * 50_000 + ".md") is not None
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        ("hr", ["hr"]),
        ("hr, it ,hr", ["hr", "it"]),
        (["it", "hr"], ["hr", "it"]),
        (["all staff", "größe", 7], ["7", "all staff", "größe"]),
        ([], []),
    ],
)
def test_labels_are_read_from_a_text_or_a_list(value: object, labels: list[str]) -> None:
    assert access_labels(value) == labels


@pytest.mark.parametrize(
    "value",
    ["", "  ", "hr,", [""], [None], [True], [["hr"]], {"hr": 1}, 3, True, None, "a\x1fb", ["\ud800"],
     ["x" * 300], [str(n) for n in range(1_001)]],
)  # fmt: skip
def test_an_acl_that_cannot_be_understood_is_an_error_and_not_an_open_door(value: object) -> None:
    with pytest.raises(DocumentError) as refusal:
        access_labels(value)
    assert refusal.value.reason == "bad_acl"
    assert len(refusal.value.detail) < 300


def test_an_empty_setting_holds_no_labels_and_a_bad_one_is_refused() -> None:
    assert parse_labels("", "RAG_DEFAULT_ACL") == ()
    assert parse_labels("b, a", "RAG_DEFAULT_ACL") == ("a", "b")
    with pytest.raises(ConfigurationError, match="RAG_DEFAULT_ACL"):
        parse_labels("a,,b", "RAG_DEFAULT_ACL")


RULES = MetadataRules(
    Fields.parse("year:int team:text"), (PathPattern.parse("{team}/{year}/*"),), ("staff",)
)


def test_the_sidecar_wins_over_the_file_and_the_file_over_the_path() -> None:
    found = document_metadata("hr/2020/a.md", {"Team": "file", "x": 1}, {"YEAR": 2024}, RULES)
    assert found == {"Team": "file", "x": 1, "YEAR": 2024, "acl": ["staff"]}
    assert RULES.fields.values(found) == {"year": 2024, "team": "file"}


def test_a_declared_key_is_the_document_s_own() -> None:
    rules = MetadataRules(Fields.parse("key:text"))
    assert document_metadata("a/b.md", {"Key": "x"}, {"key": "y"}, rules) == {"key": "a/b.md"}
    assert document_metadata("a/b.md", {"Key": "x"}, {}, MetadataRules()) == {"Key": "x"}


def test_a_value_of_another_kind_is_reported_and_the_document_kept() -> None:
    found = document_metadata("hr/soon/a.md", {"_invalid": ["x"]}, {}, RULES)
    assert found == {"team": "hr", "year": "soon", "_invalid": ["year"], "acl": ["staff"]}


@pytest.mark.parametrize(
    ("file", "sidecar", "labels"),
    [
        ({}, {}, ["staff"]),
        ({"acl": None}, {}, ["staff"]),
        ({"acl": "hr"}, {}, ["hr"]),
        ({"acl": "hr"}, {"ACL": ["it"]}, ["it"]),
        ({" Acl ": "hr"}, {}, ["hr"]),
        ({"acl": "hr"}, {"acl": []}, []),
        ({"acl": "hr"}, {"acl": None}, ["hr"]),
    ],
)
def test_labels_come_from_sidecar_then_file_then_setting(file, sidecar, labels) -> None:
    found = document_metadata("a.md", file, sidecar, RULES)
    assert found.get("acl", []) == labels
    assert labels_of(json.dumps(found)) == labels


def test_two_spellings_of_acl_in_one_file_are_an_error() -> None:
    with pytest.raises(DocumentError, match="bad_acl"):
        document_metadata("a.md", {"acl": "hr", "ACL": []}, {}, RULES)


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def test_metadata_of_a_few_levels_is_kept() -> None:
    assert document_metadata("a.md", {"x": nested(18)}, {}, RULES)["x"] == nested(18)


@pytest.mark.parametrize("depth", [30, 900, 100_000])
def test_metadata_nested_without_end_is_an_error(depth: int) -> None:
    value = nested(depth)
    with pytest.raises(DocumentError, match="metadata_too_large: its metadata is nested"):
        document_metadata("a.md", {"x": value}, {}, RULES)


def test_metadata_becomes_what_every_store_can_hold() -> None:
    found = document_metadata(
        "a.md", {"a\ud800": ["\udfff", {"\ud800": date(2024, 1, 2)}]}, {}, RULES
    )
    assert found == {"a?": ["?", {"?": "2024-01-02"}], "acl": ["staff"]}


def test_metadata_too_large_to_repeat_in_every_chunk_is_an_error() -> None:
    with pytest.raises(DocumentError, match="metadata_too_large"):
        document_metadata("a.md", {"x": "y" * 70_000}, {}, RULES)
