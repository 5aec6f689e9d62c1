"""Golden questions are shown to people, and become what evaluations ask."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from include.commands.ingest import sync
from include.golden.kept import (
    ACCEPTED,
    REJECTED,
    WAITING,
    Decision,
    accepted,
    decide,
    questions_of,
)
from tests.dags.test_dags import fake_world, pytestmark, run, states  # noqa: F401

NAMES = ("amber", "birch", "cedar")
PARAMS = {"most": 30, "show": 20, "seed": 7}


@pytest.fixture
def corpus(inbox, world):
    for name in NAMES:
        text = (
            f"The {{{{ {name} }}}} is described here in plain words: colour, weight, age, origin."
        )
        (inbox / f"{name}.md").write_text(f"# About {name}\n\n```\n{text}\n```\n")
    sync(world())


def test_without_a_model_titles_are_shown_and_nothing_is_spent(dags, fake_world, corpus, world):  # noqa: F811
    state, tasks = run(dags["review_golden"], skip="ask", **PARAMS)
    assert (state, len(tasks["ask"])) == ("success", 3)
    assert states(tasks, "generate") == {"skipped"}
    assert states(tasks, "decide") == {"skipped"}  # nobody answered: they wait
    assert len(questions_of(world().tables, WAITING)) == 3


@pytest.fixture
def in_a_task(airflow_home, environment, monkeypatch):
    """Settings, and a task to be in; what it pushes to XCom."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    from airflow.sdk.execution_time.context import set_current_context

    from include.orchestration import connecting, deployment

    monkeypatch.setattr(connecting.Variable, "get", lambda *_, **__: None)
    monkeypatch.setattr(
        deployment.AirflowDeployment, "variable", lambda _, name: _VARIABLES.get(name)
    )
    pushed: dict[str, Any] = {}
    task = SimpleNamespace(xcom_push=pushed.__setitem__, map_index=-1)
    context: Any = {"dag": SimpleNamespace(dag_id="review_golden"), "run_id": "one", "ti": task}
    with set_current_context(context):
        yield pushed


_VARIABLES: dict[str, str] = {}


def answer(choice: str, question: str = "") -> dict[str, Any]:
    person = {"id": "1", "name": "ada"}
    return {
        "chosen_options": [choice],
        "params_input": {"question": question},
        "responded_by_user": person,
    }


@pytest.fixture
def shown(corpus, in_a_task):
    from include.orchestration import curating

    assert curating.plan(PARAMS) == {"passages": 0, "from_titles": 3}
    return curating.questions(PARAMS)


def test_a_question_is_shown_with_passage_and_document_as_they_are(shown):
    (amber,) = [each for each in shown if each["subject"] == "About amber"]
    assert "{{ amber }} is described here" in amber["body"]
    assert amber["body"].count("```") == 4
    assert "amber.md`" in amber["body"]
    assert "synthetic, title" in amber["body"]


def test_people_accept_reword_reject_or_leave_it(shown, world):
    from include.orchestration import curating

    answers = [answer("Accept"), answer("Accept", "Where is it from?"), answer("Decide later")]
    assert curating.record_answers(answers) == {ACCEPTED: 2}
    tables = world().tables
    assert {each.question for each in accepted(tables)} == {
        shown[0]["subject"], "Where is it from?",
    }  # fmt: skip
    assert {row["by"] for row in questions_of(tables, ACCEPTED)} == {"ada"}
    (left,) = curating.questions(PARAMS)
    assert left["subject"] == shown[2]["subject"]
    assert curating.record_answers([answer("Reject")]) == {REJECTED: 1}


def test_a_decision_made_meanwhile_from_a_shell_stands(shown, world):
    from airflow.sdk.exceptions import AirflowSkipException

    from include.orchestration import curating

    tables = world().tables
    decide(tables, [Decision(row["id"], REJECTED) for row in questions_of(tables)], "by hand")
    with pytest.raises(AirflowSkipException, match="Nobody decided"):
        curating.record_answers([answer("Accept"), answer("Accept"), None])
    assert accepted(tables) == []


def test_a_batch_is_bounded_and_nothing_is_made_while_enough_wait(shown):
    from include.orchestration import curating

    assert len(curating.questions(PARAMS | {"show": 2})) == 2
    assert curating.plan(PARAMS | {"show": 2}) == {"passages": 0}
    assert curating.plan(PARAMS | {"most": 0}) == {"passages": 0}


def test_a_dear_generation_leaves_a_question_for_a_person(corpus, in_a_task, monkeypatch):
    from include.orchestration import curating

    endpoint = {"conn_type": "openai", "host": "http://127.0.0.1:1/v1", "password": "x",
                "extra": {"tokenizer": "words", "tries": 1}}  # fmt: skip
    price = {"m": {"input_per_million_usd": "0", "output_per_million_usd": "1000"}}
    monkeypatch.setenv("RAG_CHAT_MODEL", "openai:m")
    monkeypatch.setenv("AIRFLOW_CONN_OPENAI_DEFAULT", json.dumps(endpoint))
    monkeypatch.setitem(_VARIABLES, "rag_prices", json.dumps(price))
    monkeypatch.setenv("AIRFLOW_VAR_RAG_BUDGETS", '{"approval_usd": 1}')
    planned = curating.plan(PARAMS)
    # Three passages, each with a reply and, should it be of no use, a second one twice as long.
    assert (planned["passages"], planned["estimated_cost_usd"]) == (3, "7.2")
    assert in_a_task["approval"]["subject"] == "Spend up to $7.2 on golden questions?"
