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

TURNS = st.lists(st.builds(Turn, st.text(max_size=2_000), st.text(max_size=2_000)), max_size=9)


@given(TURNS)
def test_the_last_turns_are_read_again_in_order_and_within_their_length(turns):
    kept = recent(turns)
    assert len(kept) == min(len(turns), MOST_TURNS)
    for before, after in zip(turns[-MOST_TURNS:], kept, strict=True):
        assert after.question.startswith(before.question[:LONGEST])
        assert len(after.answer) <= LONGEST + 2
    assert (
        recent(kept) == kept
        or any(len(each.answer) > LONGEST for each in turns)
        or any(len(each.question) > LONGEST for each in turns)
    )


def test_a_question_is_searched_for_with_the_one_before_it():
    turns = [Turn("first?", "a"), Turn("second?", "b")]
    assert searched_for("third?", turns) == "second? third?"
    assert searched_for("third?", []) == "third?"


def test_a_trace_keeps_of_a_turn_where_it_is_and_what_it_may_quote_and_no_text():
    turn = Turn("q", "a", "t", ("file:///x",))
    assert turn.as_json() == {"trace_id": "t", "uris": ["file:///x"]}
    assert history_of([turn]) == [{"question": "q", "answer": "a"}]
