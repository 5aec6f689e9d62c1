"""The golden set in the lake: candidates, decisions, and what an evaluation is given of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from include.commands.erase import erase
from include.commands.ingest import sync
from include.errors import ConfigurationError
from include.golden.kept import (
    ACCEPTED,
    REJECTED,
    WAITING,
    Candidate,
    Decision,
    accepted,
    add,
    decide,
    forget_undecided,
    questions_of,
)  # fmt: skip

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def filled(world, inbox):
    for name in ("amber", "birch", "cedar"):
        (inbox / f"{name}.md").write_text(f"# About {name}\n\nThe {name} is described here.\n")
    sync(platform := world())
    return platform


def candidate(platform, inbox, name: str, *others: str) -> Candidate:
    uris = [(inbox / f"{each}.md").as_uri() for each in (name, *others)]
    rows = platform.tables.documents.read(["id"], {"uri": uris[0]})
    return Candidate(f"What is {name}?", "described here", f"The {name} is described here.",
                     rows["id"][0], dict.fromkeys(uris, 1.0), ("synthetic", "llm"))  # fmt: skip


def test_what_is_accepted_is_asked_and_nothing_else(filled, inbox):
    tables = filled.tables
    three = [candidate(filled, inbox, name) for name in ("amber", "birch", "cedar")]
    assert add(tables, three, NOW) == 3
    assert accepted(tables) == []
    one, two, _ = three
    assert decide(tables, [Decision(one.id, ACCEPTED), Decision(two.id, REJECTED)], "ada") == 2
    (question,) = accepted(tables)
    assert (question.id, question.question, question.answer) == (
        one.id, "What is amber?", "described here",
    )  # fmt: skip
    assert question.relevant == one.relevant
    assert [row["state"] for row in questions_of(tables)].count(WAITING) == 1
    assert {row["by"] for row in questions_of(tables, ACCEPTED)} == {"ada"}


def test_what_was_decided_stays_decided_when_it_is_made_again(filled, inbox):
    tables, one = filled.tables, candidate(filled, inbox, "amber")
    add(tables, [one], NOW)
    decide(tables, [Decision(one.id, REJECTED)], "ada")
    assert add(tables, [one, replace(one, passage="other")], NOW) == 0
    assert questions_of(tables, WAITING) == []


def test_a_reworded_question_keeps_its_id_and_says_so(filled, inbox):
    tables, one = filled.tables, candidate(filled, inbox, "amber")
    add(tables, [one], NOW)
    decide(tables, [Decision(one.id, ACCEPTED, " Where does  amber come from? ")], "ada")
    decide(tables, [Decision(one.id, ACCEPTED, "Where is amber from?")], "ada")
    (question,) = accepted(tables)
    assert (question.id, question.question) == (one.id, "Where is amber from?")
    assert question.tags == ("synthetic", "llm", "edited")


def test_an_unknown_question_is_refused_and_nothing_recorded(filled, inbox):
    tables, one = filled.tables, candidate(filled, inbox, "amber")
    add(tables, [one], NOW)
    with pytest.raises(ConfigurationError, match="no question 'golden-0'"):
        decide(tables, [Decision(one.id, ACCEPTED), Decision("golden-0", ACCEPTED)], "ada")
    assert accepted(tables) == []


def test_questions_about_documents_that_are_gone_are_not_asked_and_candidates_forgotten(
    filled, inbox
):
    tables = filled.tables
    both = [candidate(filled, inbox, name) for name in ("amber", "birch")]
    add(tables, both, NOW)
    decide(tables, [Decision(both[0].id, ACCEPTED)], "ada")
    for name in ("amber", "birch"):
        (inbox / f"{name}.md").unlink()
    sync(filled)
    assert accepted(tables) == []
    assert forget_undecided(tables) == 1
    assert [row["state"] for row in questions_of(tables)] == [ACCEPTED]
    assert forget_undecided(tables) == 0


def test_an_erased_document_takes_every_question_that_names_it(filled, inbox):
    tables = filled.tables
    three = [
        candidate(filled, inbox, "amber"),
        candidate(filled, inbox, "birch", "amber"),
        candidate(filled, inbox, "cedar"),
    ]
    add(tables, three, NOW)
    decide(tables, [Decision(each.id, ACCEPTED) for each in three], "ada")
    (inbox / "amber.md").unlink()
    receipt, status = erase(filled, (inbox / "amber.md").as_uri(), settle_seconds=0)
    assert (status, receipt["removed"]["golden"]) == (0, 2), receipt
    assert [each.question for each in accepted(tables)] == ["What is cedar?"]
