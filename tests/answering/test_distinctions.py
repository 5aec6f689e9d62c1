"""Which questions may share an answer: a table of traps, and what must hold for any two questions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.answering.distinctions import distinction

SHARED = [
    ("How do I reset my password?", "how to reset my password"),
    ("How do I reset my password?", "How can I reset the password?"),
    ("How are the signing keys rotated?", "How do we rotate signing keys?"),
    ("Explain how retries work.", "Could you explain how retries work?"),
    ("Please tell me where logs are stored.", "Where are the logs stored?"),
    ("Why is my invoice not shown?", "Why isn't my invoice shown?"),
    ("Why isn’t it shown?", "Why isn't it shown?"),
    ("What does `max_retries` do?", "What does max_retries do"),
    ("What happens when a task fails?", "What happens if a task fails?"),
    (
        "Before the first day, what must I hand in?",
        "What do I have to hand in before the first day?",
    ),
    ("Welche Ports braucht der Dienst?", "welche ports braucht der dienst"),
    ("何ですか?", "何ですか"),
    ("", " "),
]

APART = [
    # Numbers, versions, units and signs.
    ("What was the revenue in 2023?", "What was the revenue in 2024?", "words"),
    ("What changed in 1.10?", "What changed in 1.1?", "words"),
    ("Is a 1,000 GB plan dear?", "Is a 10,000 GB plan dear?", "words"),
    ("Why error E1101?", "Why error E1102?", "words"),
    ("How do I go from version 2 to version 3?", "How do I go from version 3 to version 2?", "order"),
    ("What is due on 3/5?", "What is due on 5/3?", "words"),
    ("Is x < 3 allowed?", "Is x > 3 allowed?", "words"),
    ("What does 5 $ buy?", "What does 5 € buy?", "words"),
    ("How do I compile C code?", "How do I compile C++ code?", "words"),
    # Negation and restriction.
    ("Which fields are encrypted?", "Which fields are not encrypted?", "sense"),
    ("Which fields are encrypted?", "Which fields aren't encrypted?", "sense"),
    ("Which fields are encrypted?", "Which fields aren’t encrypted?", "sense"),
    ("Who gets a bonus?", "Who gets no bonus?", "sense"),
    ("Can I test with a network?", "Can I test without a network?", "words"),
    ("Can only admins read logs?", "Can admins only read logs?", "order"),
    ("Is it open on Sundays?", "Is it open except on Sundays?", "words"),
    ("Welche Dateien werden gesichert?", "Welche Dateien werden nicht gesichert?", "sense"),
    ("Quels fichiers sont inclus ?", "Quels fichiers ne sont pas inclus ?", "sense"),
    # Names, quoted words, capitals.
    ("What does json.loads return?", "What does json.dumps return?", "words"),
    ("What does --force do?", "What does --prune do?", "words"),
    ("What does `from` do?", "What does `to` do?", "words"),
    ("What does IT need?", "What does it need?", "words"),
    ("How do I install it on Windows?", "How do I install it?", "words"),
    # Opposites and other words.
    ("How do I enable it?", "How do I disable it?", "words"),
    ("How do I lock it?", "How do I unlock it?", "words"),
    ("What is paid leave?", "What is leave?", "words"),
    ("Is it due before May?", "Is it due after May?", "words"),
    # Who does what to whom.
    ("How long from Paris to Rome?", "How long from Rome to Paris?", "order"),
    ("Is Redis faster than Valkey?", "Is Valkey faster than Redis?", "order"),
    ("csv to json", "json to csv", "order"),
    ("Does Alice trust Bob?", "Does Bob trust Alice?", "order"),
    # What is asked: time, place, way, permission, duty.
    ("When was it released?", "Why was it released?", "sense"),
    ("Who signed it?", "When is it signed?", "sense"),
    ("Is it computed?", "How is it computed?", "sense"),
    ("Which files can be deleted?", "Which files are deleted?", "sense"),
    ("May I work from home?", "Must I work from home?", "sense"),
    ("What is the price?", "What was the price?", "sense"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SHARED)
def test_the_same_question_in_other_forms_may_share_an_answer(one, other):
    assert distinction(one, other) == ""


@pytest.mark.parametrize(("one", "other", "why"), APART)
def test_questions_that_differ_in_what_vectors_hardly_see_may_not(one, other, why):
    assert distinction(one, other) == why


@given(st.text(max_size=60), st.text(max_size=60))
def test_it_does_not_matter_which_question_came_first(one, other):
    assert distinction(one, one) == ""
    assert bool(distinction(one, other)) == bool(distinction(other, one))


@given(st.text(max_size=40), st.integers(0, 10**9), st.integers(0, 10**9))
def test_another_number_is_always_another_question(text, one, other):
    apart = distinction(f"{text} {one}", f"{text} {other}") != ""
    assert apart == (one != other)
