"""What a model writes is kept only if it passes plain checks; passages are drawn evenly."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.golden.checks import Passage, flaw, is_askable
from include.golden.reply import read
from include.golden.sampling import sample

PASSAGE = Passage(
    "Failed calls are tried again after a pause. The pause doubles\nwith every attempt, up to two "
    "minutes, so that a server that is overloaded can recover.",
    title="Exponential backoff",
    heading=("Retrying calls", "Pauses"),
)
GOOD = "How long does a client wait at most before it asks a busy server anew?"


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        (GOOD, "up to two minutes", ""),
        (GOOD, "The  pause DOUBLES with every attempt", ""),
        (GOOD, "up to three minutes", "unanswerable"),
        (GOOD, "?!", "unanswerable"),
        ("Exponential backoff?", "The pause doubles", "length"),
        ("How does exponential backoff retrying?", "The pause doubles", "title"),
        ("What is exponential backoff?", "The pause doubles", "title"),
        ("Retrying calls pauses", "The pause doubles", "title"),
        ("Backoff, retrying, pauses?", "The pause doubles", "title"),
        (GOOD, ".", "unanswerable"),
        ("Why does backoff matter to an operator?", "can recover", ""),
        ("What does this passage say about waiting?", "The pause doubles", "depends"),
        ("What would The Author do about waiting?", "The pause doubles", "depends"),
        ("Why should I not refresh the page at once?", "can recover", ""),
        ("When are failed calls are tried again after a pause?", "after a pause", "copied"),
        ("word " * 51, "a pause", "length"),
        ("How long at most does a client wait before it asks a busy server?", "a pause", "duplicate"),
    ],
)  # fmt: skip
def test_a_question_is_kept_or_dropped_for_a_reason(question, answer, reason):
    known = [GOOD] if reason == "duplicate" else ["What else can a server do?"]
    assert flaw(question, answer, PASSAGE, known) == reason


@pytest.mark.parametrize(
    ("text", "documents", "askable"),
    [
        (PASSAGE.text, 1, True),
        (PASSAGE.text, 4, False),
        ("License: MIT", 1, False),
        ("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", 1, False),
        ("word " * 40, 1, False),
    ],
)
def test_boilerplate_numbers_and_shreds_are_not_asked_about(text, documents, askable):
    assert is_askable(text, documents) is askable


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("no json", "malformed: the reply is not JSON"),
        ("[]", "invalid: the reply"),
        ('{"questions": "none"}', "invalid: questions"),
        ('{"questions": [{"question": "secret words"}]}', "invalid: questions.0.answer"),
        ('{"questions": [{"question": "", "answer": "b"}]}', "invalid: questions.0.question"),
        ('{"questions": [' + ",".join(['{"question": "a", "answer": "b"}'] * 21) + "]}", "invalid"),
    ],
)
def test_a_reply_of_another_form_is_refused_without_being_quoted(reply, told):
    with pytest.raises(ValueError, match=told) as refused:
        read(reply)
    assert "secret" not in str(refused.value)


def test_a_reply_may_be_fenced_hold_more_keys_or_no_question():
    assert read('```json\n{"questions": [], "thoughts": 1}\n```') == []
    (one,) = read('{"questions": [{"question": " a ", "answer": "b", "score": 1}]}')
    assert (one.question, one.answer) == ("a", "b")


def chunks(**documents: int) -> pl.DataFrame:
    rows = [
        {"id": f"{name}{at}", "document_id": name, "text_hash": f"text of {name}{at}"}
        for name, count in documents.items()
        for at in range(count)
    ]
    return pl.DataFrame(rows)


NONE = pl.Series([], dtype=pl.String)


@given(st.integers(1, 40), st.integers(0, 5), st.randoms(use_true_random=False))
def test_documents_take_turns_whatever_their_length_and_order(count, seed, chance):
    rows = chunks(long=30, short=2, middle=8)
    order = list(range(rows.height))
    chance.shuffle(order)
    picked = sample(rows, NONE, count, seed)
    assert picked.equals(sample(rows[order], NONE, count, seed))
    per = Counter(picked["document_id"])
    assert max(per["short"], per["middle"]) <= per["long"] + 1
    assert picked.height == min(count, 40)
    if count >= 3:
        assert len(per) == 3


def test_a_second_sample_goes_on_where_the_first_one_ended():
    rows = chunks(a=4, b=4)
    first = sample(rows, NONE, 3, seed=1)
    second = sample(rows, first["text_hash"], 3, seed=1)
    assert not set(first["id"]) & set(second["id"])
    both = Counter([*first["document_id"], *second["document_id"]])
    assert both == {"a": 3, "b": 3}


def test_another_seed_takes_other_passages():
    assert len({tuple(sample(chunks(a=9, b=9), NONE, 2, seed)["id"]) for seed in range(20)}) > 3


def test_a_text_of_several_documents_is_taken_once_and_of_many_never():
    rows = pl.DataFrame(
        [{"id": f"{d}", "document_id": f"d{d}", "text_hash": "licence"} for d in range(4)]
        + [{"id": f"c{d}", "document_id": f"d{d}", "text_hash": "copy"} for d in range(2)]
    )
    assert sample(rows, NONE, 10, seed=7)["text_hash"].to_list() == ["copy"]
