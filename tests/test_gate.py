"""The gate's rules, its decisions, and that Great Expectations counts what it counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import GateError
from include.quality.gate import Gate, GateReport, apply, check_vectors, vector_report
from include.quality.record import record, record_suites
from include.quality.rules import Between, Present, Rule, Same, Unique
from include.quality.suites import Suite, chunk_suite, garbage_share, vector_facts

TEXT = "A sentence that says something."


def documents(count: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"d{number}" for number in range(count)],
            "uri": [f"file:///docs/{number}.md" for number in range(count)],
            "text": [TEXT] * count,
            "chunks": [1] * count,
        }
    )


def chunks_of(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        id=pl.concat_str(pl.lit("c-"), "id"),
        document_id="id",
        start=0,
        end=len(TEXT),
        tokens=5,
        text=pl.lit(TEXT),
    )


def judge(
    frame: pl.DataFrame, chunks: pl.DataFrame | None = None, *, rejected: int = 0
) -> GateReport:
    given_chunks = chunks_of(frame) if chunks is None else chunks
    return Gate(max_tokens=10).check(frame.lazy(), given_chunks.lazy(), rejected=rejected)


def unit_vectors(rows: int, dimensions: int = 4) -> np.ndarray:
    vectors = np.zeros((rows, dimensions), dtype=np.float32)
    vectors[:, 0] = 1
    return vectors


def test_sound_documents_pass() -> None:
    report = judge(documents(5))
    assert report.bad.is_empty()
    assert report.refusal == ""
    assert all(check.passed for check in report.checks)


def test_a_run_without_documents_passes() -> None:
    frame = documents(1).clear()
    assert judge(frame).refusal == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_text"),
        (" \n\t ", "empty_text"),
        ("\ufffd\ufffd\ufffdabc", "garbage_text"),
        ("\x00\x01 binary \x02", "garbage_text"),
        ("\ue000\ue001 private", "garbage_text"),
        (None, "empty_text"),
    ],
)
def test_a_document_with_unusable_text_is_bad_and_its_neighbours_are_not(
    text: str | None, reason: str
) -> None:
    frame = documents(9)
    chunks = chunks_of(frame)
    frame = frame.with_columns(
        text=pl.when(pl.col("id") == "d4").then(pl.lit(text)).otherwise("text")
    )
    report = judge(frame, chunks)
    assert report.bad.select("id", "reason").rows() == [("d4", reason)]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("tokens", 11, "token_count"),
        ("tokens", 0, "token_count"),
        ("start", -1, "bad_span"),
        ("end", 0, "bad_span"),
        ("end", len(TEXT) + 1, "bad_span"),
        ("text", " ", "empty_chunk"),
        ("id", "c-d3", "duplicate_chunk"),
    ],
)
def test_a_broken_chunk_condemns_its_document(column: str, value: object, reason: str) -> None:
    frame = documents(9)
    chunks = chunks_of(frame).with_columns(
        pl.when(pl.col("document_id") == "d4").then(pl.lit(value)).otherwise(column).alias(column)
    )
    bad = judge(frame, chunks).bad
    assert ("d4", reason) in bad.select("id", "reason").rows()
    assert set(bad["id"]) <= {"d3", "d4"}


def test_a_detail_names_the_chunk_the_value_and_what_was_expected() -> None:
    frame = documents(9)
    chunks = chunks_of(frame).with_columns(tokens=pl.when(document_id="d4").then(77).otherwise(5))
    detail = judge(frame, chunks).bad["detail"].item()
    assert detail == "chunk c-d4: tokens is 77, expected at least 1 and at most 10"


def test_a_document_whose_chunks_are_lost_is_bad() -> None:
    frame = documents(9)
    report = judge(frame, chunks_of(frame).filter(pl.col("document_id") != "d4"))
    assert report.bad.select("id", "reason").rows() == [("d4", "chunk_count")]


def test_a_chunk_of_a_document_that_is_not_there_is_found() -> None:
    report = judge(documents(9), chunks_of(documents(10)))
    assert report.bad.select("id", "reason").rows() == [("d9", "unknown_document")]


@pytest.mark.parametrize(
    ("bad", "of", "refused"),
    [(9, 9, False), (10, 50, False), (10, 49, True), (20, 100, False), (21, 100, True)],
)
def test_a_run_is_refused_above_the_fraction_but_never_for_a_few_documents(
    bad: int, of: int, refused: bool
) -> None:
    assert bool(Gate(max_tokens=10).refusal(of, bad)) == refused


def test_documents_rejected_earlier_count_as_bad() -> None:
    assert judge(documents(30)).refusal == ""
    report = judge(documents(30), rejected=10)
    assert (report.documents, report.bad_documents) == (40, 10)
    with pytest.raises(GateError, match="10 of 40 documents are bad, more than the 20%"):
        report.require_passed()


def test_a_run_that_lost_documents_on_the_way_is_refused() -> None:
    frame = documents(5)
    report = Gate(max_tokens=10).check(frame.lazy(), chunks_of(frame).lazy(), planned=6)
    with pytest.raises(GateError, match="5 documents arrived at the gate, but 6 were planned"):
        report.require_passed()


def test_the_bad_documents_do_not_depend_on_the_order_of_rows() -> None:
    frame = documents(9).with_columns(text=pl.when(id="d4").then(pl.lit("")).otherwise("text"))
    chunks = chunks_of(documents(9))
    assert judge(frame, chunks).bad.equals(judge(frame.reverse(), chunks.reverse()).bad)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (np.nan, "norm is missing"),
        (np.inf, "norm is missing"),
        (1.1, "norm is 1.1"),
        (0, "norm is 0"),
    ],
)
def test_an_unsound_vector_is_refused_by_id(change: float, reason: str) -> None:
    vectors = unit_vectors(3)
    vectors[1, 0] = change
    with pytest.raises(GateError, match=f"of 'b': {reason}"):
        vector_report(["a", "b", "c"], vectors, 4).require_passed()


def test_great_expectations_agrees_about_unsound_vectors_and_draws_their_page() -> None:
    vectors = unit_vectors(3)
    vectors[1, 0] = np.nan
    made = record(vector_report(["a", "b", "c"], vectors, 4))
    assert not made.verdict["passed"]
    assert made.verdict["bad_documents"] == 1
    assert "norm is missing" in made.html


def test_vectors_of_another_size_are_refused() -> None:
    with pytest.raises(GateError, match="dimensions is 4, expected 5"):
        vector_report(["a"], unit_vectors(1), 5).require_passed()


def test_a_norm_within_rounding_is_sound() -> None:
    vector_report(["a", "b"], unit_vectors(2) * np.float32(1.0009), 4).require_passed()
    assert check_vectors([], unit_vectors(0), 4).passed


def test_a_vector_without_an_id_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="expected 2 vectors, one per id"):
        vector_facts(["a", "b"], unit_vectors(3))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(GateError, match="lack the column 'id'; they have tokens"):
        apply(chunk_suite(max_tokens=5, planned=None), pl.DataFrame({"tokens": [1]}))


@given(st.text(max_size=40))
def test_the_share_of_garbage_is_a_share_and_grows_with_garbage(text: str) -> None:
    safe = text.encode("utf-8", "replace").decode()
    frame = pl.DataFrame({"text": [safe, safe + "\ufffd"]})
    less, more = frame.select(garbage_share(pl.col("text"))).to_series()
    assert 0 <= less <= more <= 1
    assert more > 0


def test_letters_of_any_script_line_breaks_and_emoji_are_not_garbage() -> None:
    frame = pl.DataFrame({"text": ["día\t日本語\r\nعربى 🎉 e\u0301 \u200b"]})
    assert frame.select(garbage_share(pl.col("text"))).item() == 0


def test_a_rule_passes_over_what_is_missing_except_presence() -> None:
    frame = pl.DataFrame({"a": [None], "b": [1]}, schema={"a": pl.Int64, "b": pl.Int64})
    rules: list[Rule] = [
        Unique("a", "r"),
        Between("a", "r", low=1),
        Same("b", "r", "a"),
    ]
    assert not any(frame.select(rule.broken()).item() for rule in rules)
    assert frame.select(Present("a", "r").broken()).item()


numbers = st.lists(st.none() | st.integers(-2, 3), min_size=1, max_size=12)


@given(numbers, numbers, st.integers(-2, 3), st.integers(-2, 3))
def test_every_rule_agrees_with_its_definition_in_python(
    left: list[int | None], right: list[int | None], low: int, high: int
) -> None:
    rows = list(zip(left, right, strict=False))
    frame = pl.DataFrame(rows, schema={"a": pl.Int64, "b": pl.Int64}, orient="row")
    values = [a for a, _ in rows]
    pairs = [(a, b) for a, b in rows if a is not None and b is not None]
    expected: list[tuple[Rule, int]] = [
        (Present("a", "r"), values.count(None)),
        (Unique("a", "r"), sum(a is not None and values.count(a) > 1 for a in values)),
        (Between("a", "r", low, high), sum(a is not None and not low <= a <= high for a in values)),
        (Same("a", "r", "b"), sum(a != b for a, b in pairs)),
    ]
    suite = Suite("pairs", tuple(rule for rule, _ in expected))
    assert apply(suite, frame).broken == tuple(count for _, count in expected)


def test_importing_the_gate_does_not_import_great_expectations() -> None:
    code = (
        "import include.quality.gate, include.quality.record, sys; "
        "print('great_expectations' in sys.modules, 'pandas' in sys.modules)"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.split() == ["False", "False"]


def test_great_expectations_counts_exactly_what_the_gate_counts() -> None:
    frame = pl.DataFrame(
        [
            ("x", 1, 2),
            ("y", None, 2),
            ("y", 3, None),
            (None, 3, 3),
            ("z", 9, 1),
            ("w", -1, -1),
            ("v", None, None),
            ("u", 2, 2),
        ],
        schema={"id": pl.String, "a": pl.Int64, "b": pl.Int64},
        orient="row",
    )
    rules = (
        Present("id", "p"),
        Unique("id", "u"),
        Unique("a", "u"),
        Present("a", "p"),
        Between("a", "low", low=1),
        Between("a", "high", high=3),
        Between("b", "both", 2, 2),
        Same("a", "same", "b"),
    )
    check = apply(Suite("pairs", rules, planned=8), frame)
    assert check.broken == (1, 2, 2, 2, 1, 1, 3, 2)
    (result,) = record_suites([check])
    assert len(result.results) == len(rules) + 2
    assert not result.success


def test_the_record_of_a_run_holds_its_verdict_and_opens_without_a_network() -> None:
    frame = documents(4)
    chunks = chunks_of(frame).with_columns(tokens=pl.when(document_id="d2").then(99).otherwise(5))
    report = judge(frame, chunks)
    made = record(report, [check_vectors(["v"], unit_vectors(1), 4, planned=1)])
    assert made.verdict["passed"]
    assert made.verdict["reasons"] == {"token_count": 1}
    assert [suite["success"] for suite in made.verdict["suites"]] == [True, False, True]
    assert "chunk c-d2: tokens is 99" in made.html
    assert made.html.count("rows as expected") == 2  # the suites without a fault
    assert "<td>4 of 4</td>" in made.html
    for remote in ("http://", "https://", "<script", "<link", "<img"):
        assert remote not in made.html
    assert TEXT not in made.html


def test_a_record_that_contradicts_the_gate_is_believed_by_nobody() -> None:
    check = apply(Suite("rows", (Present("id", "no_id"),)), pl.DataFrame({"id": ["a", None]}))
    wrong = type(check)(check.suite, check.facts, (0,))
    with pytest.raises(GateError, match="the gate 0: the rule means two things"):
        record_suites([wrong])
