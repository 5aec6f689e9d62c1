"""What a reviewer is asked, and what becomes of the answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from include.commands.ingest import sync
from include.stages.review import held
from tests.conftest import World


class Context(dict[str, Any]):
    """As much of a task's context as names its run."""


@pytest.fixture
def in_a_task(airflow_home, environment, monkeypatch):
    """Settings, and a task to be in."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    from airflow.sdk.execution_time.context import set_current_context

    with set_current_context(
        Context(dag=SimpleNamespace(dag_id="review_quarantine"), run_id="one")
    ):
        yield


def answer(choice: str) -> dict[str, Any]:
    return {"chosen_options": [choice], "responded_by_user": {"id": "1", "name": "ada"}}


@pytest.fixture
def three_aside(world: World, inbox, in_a_task, monkeypatch) -> World:
    for name in ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"):
        (inbox / f"{name}.txt").write_text(f"A good document about {name}, in plain words.")
    sync(world())
    for name in ("a", "b", "c"):
        (inbox / f"{name}.txt").write_text("{{ 7 * 7 }} " + "\ufffd" * 9)
    sync(world())
    from include.orchestration import connecting, review

    monkeypatch.setattr(connecting.Variable, "get", lambda *_, **__: None)
    assert len(review.questions()) == 3
    return world


def test_a_question_shows_reason_place_and_excerpt_as_they_are(three_aside):
    from include.orchestration import review

    question = review.questions()[0]
    assert question["subject"] == "garbage_text: a.txt"
    assert "{{ 7 * 7 }}" in question["body"]
    assert "An earlier version is still searchable." in question["body"]


def test_answers_are_carried_out_under_the_name_of_the_reviewer(three_aside):
    from include.orchestration import review

    answers = [answer("Release"), answer("Keep the old version"), answer("Drop")]
    assert review.record_answers(answers) == {"release": 1, "keep": 1, "drop": 1}
    sync(platform := three_aside())
    decided = {each.uri[-5:]: each.decision for each in held(platform.tables)}
    assert decided == {"b.txt": "keep", "c.txt": "drop"}
    assert set(platform.tables.reviews.read(["by"])["by"]) == {"ada"}
    assert platform.tables.documents.count() == 12


def test_only_keeping_wakes_nobody(three_aside):
    from airflow.sdk.exceptions import AirflowSkipException

    from include.orchestration import review

    with pytest.raises(AirflowSkipException, match="keep"):
        review.record_answers([answer("Keep the old version"), None, None])
    assert [each.decision for each in held(three_aside().tables)].count("keep") == 1


def test_a_decision_made_meanwhile_from_a_shell_stands(three_aside):
    from include.commands.state import review as by_hand
    from include.orchestration import review

    platform = three_aside()
    by_hand(platform, "keep", [each.id for each in held(platform.tables)])
    with pytest.raises(Exception, match="no answers"):
        review.record_answers([answer("Drop")] * 3)
