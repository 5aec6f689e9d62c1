"""The filter language: what it accepts, what it means, and how it refuses the rest."""

from __future__ import annotations

import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import ConfigurationError
from include.filters import Scope, admits, parse_filter
from include.filters.evaluate import mapped
from include.metadata import Fields

FIELDS = Fields.parse("year:int score:float draft:bool day:date department:text tags:list")
ROW = {
    "language": "en",
    "title": "It's a title",
    "uri": "file:///a.md",
    "version": "v1",
    "page": 3,
    "year": 2024,
    "score": 0.5,
    "draft": False,
    "day": date(2024, 2, 29),
    "department": None,
    "tags": ("red", "green"),
}


def true_of(text: str, **changed: object) -> bool:
    return admits(parse_filter(text, FIELDS), mapped({**ROW, **changed}))


@pytest.mark.parametrize(
    "text",
    [
        "lang = 'en' and year >= 2024",
        "language='en'AND year>=2024",
        'LANG = "en"',
        "title = 'It''s a title'",
        "year in (2023, 2024)",
        "year not in (2023, 2025)",
        "score > -1.5e0 and score < 1",
        "draft = false",
        "draft != TRUE",
        "day >= '2024-02-29' and day < '2024-03-01'",
        "tags contains 'red'",
        "tags not contains 'blue'",
        "not tags contains 'blue'",
        "department is null",
        "year is not null",
        "not (year = 2023 or year = 2025)",
        "year = 2023 and page = 9 or page = 3",
        "page = 3 or year = 2023 and page = 9",
        "not year = 2023 and page = 3",
        "not not page = 3",
        "(((page = 3)))",
    ],
)
def test_a_filter_is_true_of_the_row_it_describes(text: str) -> None:
    assert true_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "lang = 'EN'",
        "year > 2024",
        "title = 'It'",
        "year in (1)",
        "tags contains 're'",
        "tags contains 'red,green'",
        "day = '2024-03-01'",
        "department = 'hr'",
        "department != 'hr'",
        "not department = 'hr'",
        "department not in ('hr')",
        "department = 'hr' and page = 3",
        "page = 9 and (year = 2024 or page = 3)",
    ],
)
def test_a_filter_is_not_true_of_another_row(text: str) -> None:
    assert not true_of(text)


def test_an_unknown_truth_does_not_hide_a_known_one() -> None:
    assert true_of("department = 'hr' or page = 3")
    assert not true_of("not (department = 'hr' or page = 3)")
    assert true_of("not (department = 'hr' and page = 9)")


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 1, "expected a field; found the end"),
        ("   ", 4, "expected a field; found the end"),
        ("colour = 'red'", 1, "expected a field; found 'colour'"),
        ("year", 5, "expected =, !=, <, <=, >, >=, in or is"),
        ("year = ", 8, "expected a whole number"),
        ("year = 'x'", 8, "expected a whole number"),
        ("year = 2024.5", 8, "expected a whole number"),
        ("year = 9223372036854775808", 8, "at most 64 bits"),
        ("year = " + "9" * 5_000, 8, "at most 64 bits"),
        ("score = 1e999", 9, "expected a finite number"),
        ("day = 'soon'", 7, "expected a date as '2024-12-31'"),
        ("draft = 1", 9, "expected true or false"),
        ("draft < true", 7, "expected =, != or is"),
        ("tags = 'red'", 6, "expected contains or is"),
        ("lang contains 'e'", 6, "for language is text"),
        ("lang = null", 8, "expected a text in quotes"),
        ("lang = 'en", 8, 'found "\'en"'),
        ("lang = 'en' year = 1", 13, "expected and, or, or the end"),
        ("lang = 'en')", 12, "expected and, or, or the end"),
        ("(lang = 'en'", 13, "expected )"),
        ("lang = 'en'; drop table x", 12, "found ';'"),
        ("lang = 'en' -- and", 13, "found '-'"),
        ("lang like 'e%'", 6, "found 'like'"),
        ("year in ()", 10, "expected a whole number"),
        ("year in (1,)", 12, "expected a whole number"),
        ("year is 2024", 9, "expected null"),
        ("acl contains 'hr'", 1, "expected a field; found 'acl'"),
        ("and = 1", 1, "expected a field; found 'and'"),
        ("year = 1 and", 13, "expected a field; found the end"),
        ("not " * 60 + "year = 1", 201, "at most 50 levels"),
        ("(" * 60, 51, "at most 50 levels"),
        (" or ".join(["year = 1"] * 201), 2401, "at most 200 comparisons"),
    ],
)
def test_a_refusal_names_position_expectation_and_the_known_fields(
    text: str, position: int, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_filter(text, FIELDS)
    message = str(refusal.value)
    assert f"at position {position}," in message
    assert expected in message
    assert "Known fields: day, department, draft, lang, language, page, score" in message
    assert len(message) < 500


def test_a_very_long_filter_is_refused_by_its_length() -> None:
    with pytest.raises(ConfigurationError, match="at most 20000 characters, this one has 1000008"):
        parse_filter("lang = '" + "x" * 1_000_000, FIELDS)


def parse_or_refuse(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        assert not isinstance(parse_filter(text, FIELDS), str)


@given(st.text(max_size=200))
def test_any_text_is_a_filter_or_refused_with_a_reason(text: str) -> None:
    parse_or_refuse(text)


PIECES = st.lists(
    st.sampled_from(
        [
            "year",
            "lang",
            "tags",
            "=",
            "!=",
            "<=",
            "in",
            "(",
            ")",
            ",",
            "'x'",
            "7",
            "-1.5",
            "and",
            "or",
            "not",
            "is",
            "null",
            "contains",
        ]
    )
)


@given(PIECES)
def test_any_mixture_of_its_own_words_is_a_filter_or_refused(pieces: list[str]) -> None:
    parse_or_refuse(" ".join(pieces))


HOSTILE = [
    "'",
    "''",
    "'; drop table chunks; --",
    '"',
    "\\",
    "\x00",
    "\x1f",
    "日本",
    "😀",
    "%_",
    "\ud800",
]


@pytest.mark.parametrize("value", [*HOSTILE, "' or '1'='1", "\n", "`", "${x}"])
def test_a_text_value_is_only_ever_compared(value: str) -> None:
    quoted = "'" + value.replace("'", "''") + "'"
    held = value.replace("\ud800", "?")
    assert true_of(f"department = {quoted}", department=held)
    assert not true_of(f"department = {quoted}", department=held + "x")


@pytest.mark.parametrize(
    ("principals", "labels", "may"),
    [
        (None, ["hr"], True),
        (None, [], True),
        ([], [], True),
        ([], ["hr"], False),
        (["hr"], [], True),
        (["hr"], ["hr"], True),
        (["hr", "it"], ["law", "it"], True),
        (["hr"], ["HR"], False),
        (["h"], ["hr"], False),
    ],
)
def test_a_reader_needs_one_of_the_labels(principals, labels, may) -> None:
    scope = Scope(principals=None if principals is None else frozenset(principals))
    assert scope.may_read(labels) is may
