"""What of a conversation is read again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from include.retrieval.conversation import (
    LONGEST,
    MOST_TURNS,
    Turn,
    history_of,
    recent,
    searched_for,
)

TEXTS = st.integers(0, LONGEST + 50).map(lambda length: "x" * length)
TURNS = st.lists(st.builds(Turn, TEXTS, TEXTS, st.just("trace"), st.just(("uri",))), max_size=9)


@given(TURNS)
def test_the_last_turns_are_read_again_in_order_and_within_their_length(turns):
    kept = recent(turns)
    assert len(kept) == min(len(turns), MOST_TURNS)
    for before, after in zip(turns[-MOST_TURNS:], kept, strict=True):
        for whole, read in ((before.question, after.question), (before.answer, after.answer)):
            assert read == whole if len(whole) <= LONGEST else read == f"{whole[:LONGEST]} …"
        assert after.as_json() == before.as_json()


def test_a_question_is_searched_for_with_the_one_before_it():
    turns = [Turn("first?", "a"), Turn("second?", "b")]
    assert searched_for("third?", turns) == "second? third?"
    assert searched_for("third?", []) == "third?"


def test_a_trace_keeps_of_a_turn_where_it_is_and_what_it_may_quote_and_no_text():
    turn = Turn("q", "a", "t", ("file:///x",))
    assert turn.as_json() == {"trace_id": "t", "uris": ["file:///x"]}
    assert history_of([turn]) == [{"question": "q", "answer": "a"}]
