"""A run above `approval_usd` waits for a person; what they answer is what happens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from include.commands.ingest import plan, sync
from include.commands.query import search, searcher
from include.deployment import EnvironmentDeployment
from include.settings import Settings
from include.wiring import Platform
from tests.standin.running import Running, standing_in

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.xdist_group("airflow"),
]
World = tuple[Running, dict[str, str]]


@pytest.fixture
def paid(environment, inbox, tmp_path, monkeypatch) -> Iterator[World]:
    """Two documents of which one is large, a paid model, and a threshold that they exceed."""
    (inbox / "small.txt").write_text("A few words.")
    (inbox / "large | `one`.txt").write_text(
        "\n\n".join(f"Part {number} of many words." for number in range(40))
    )
    with standing_in(tmp_path / "meter.jsonl") as api:
        settings = {**environment, **api.environment(timeout=10)}
        settings |= {"RAG_EMBEDDER": "openai:stand-in-embed@32"}
        settings |= {"AIRFLOW_VAR_RAG_BUDGETS": '{"approval_usd": "0.0000001"}'}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield api, settings


def platform(world: World) -> Platform:
    return Platform(Settings.from_environment(world[1]), EnvironmentDeployment(world[1]))


@contextmanager
def answering(choice: str) -> Iterator[list[dict[str, Any]]]:
    """Answers every question as Airflow's API does; gives what was asked."""
    asked: list[dict[str, Any]] = []
    over = threading.Event()

    def answer() -> None:
        while not over.wait(0.2):
            with suppress(OperationalError):  # SQLite has one writer at a time, and the run writes
                asked.extend(answered(choice))

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield asked
    finally:
        over.set()
        thread.join()


def answered(choice: str) -> list[dict[str, Any]]:
    """What was asked for the first time, when the answer is stored.

    A task that still waits although it was answered is told once more: in `dag.test()` the run's
    own session may write its old state over the new one.
    """
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.triggers.base import TriggerEvent
    from airflow.utils.session import create_session

    asked = []
    with create_session() as session:
        for found in session.query(HITLDetail):
            task = session.get(TaskInstance, found.ti_id)
            if task.state != "awaiting_input":
                continue
            if found.responded_at is None:
                found.chosen_options, found.params_input = [choice], {}
                found.responded_at = datetime.now(UTC)
                found.responded_by = {"id": "1", "name": "ada"}
                session.flush()
                asked.append({"subject": found.subject, "body": found.body})
            resume(TriggerEvent(found.as_resume_event_payload()), task, session)
    return asked


def resume(event: Any, task: Any, session: Any) -> None:
    from airflow.models.trigger import handle_event_submit

    handle_event_submit(event, task_instance=task, session=session)


def states(run: Any) -> dict[str, str]:
    return {each.task_id: str(each.state) for each in run.get_task_instances()}


def test_approved_it_embeds_and_publishes(dags, paid):
    with answering("Approve") as asked:
        run = dags["ingest_documents"].test()
    assert str(run.state) == "success"
    assert states(run)["publish"] == "success"
    assert platform(paid).tables.documents.count() == 2
    (question,) = asked
    assert plan(platform(paid))["chunks_to_embed"] == 0
    tokens = sum(row["input_tokens"] for row in paid[0].rows())
    assert f"| tokens to embed | {tokens} |" in question["body"]
    assert "large ¦ 'one'.txt" in question["body"]
    assert "documents added | 2" in question["body"]


def test_rejected_it_leaves_everything_as_it_was_and_asks_again(dags, paid, inbox: Path):
    before = plan(platform(paid))
    for _ in range(2):
        with answering("Reject") as asked:
            run = dags["ingest_documents"].test()
        assert len(asked) == 1
        found = states(run)
        assert {found[name] for name in ("approve", "embed", "publish")} == {"skipped"}
        assert str(run.state) == "success"
    assert paid[0].rows() == []
    assert platform(paid).tables.documents.count() == 0
    assert plan(platform(paid)) == before


def test_a_rejected_change_leaves_the_old_version_searchable(dags, paid, inbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_RAG_BUDGETS", "{}")
    assert states(dags["ingest_documents"].test())["approve"] == "success"  # nothing to ask
    monkeypatch.setenv("AIRFLOW_VAR_RAG_BUDGETS", paid[1]["AIRFLOW_VAR_RAG_BUDGETS"])
    calls = len(paid[0].rows())
    (inbox / "small.txt").write_text("Other words altogether, and more of them than before.")
    with answering("Reject"):
        dags["ingest_documents"].test()
    assert len(paid[0].rows()) == calls
    held = platform(paid)
    hits = search(searcher(held), "few words", k=50, mode="text")["hits"]
    assert "A few words." in [hit["text"] for hit in hits]


def test_below_the_threshold_nobody_is_asked(dags, paid, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_RAG_BUDGETS", json.dumps({"approval_usd": "1"}))
    run = dags["ingest_documents"].test()
    assert states(run) | {"approve": "success", "publish": "success"} == states(run)


FORMS = {
    "enrich_documents": {"most": 100, "again": False},
    "answer_questions": {"uri": "", "questions": "Which words?", "prompt_version": "", "k": 3},
}


@pytest.mark.parametrize(
    ("name", "asks"), [("enrich_documents", "describe"), ("answer_questions", "answer")]
)
def test_a_rejected_run_asks_no_chat_model_and_an_approved_one_does(
    dags, paid, name, asks, monkeypatch
):
    models = {"RAG_EMBEDDER": "fake:32", "RAG_CHAT_MODEL": "openai:stand-in-chat"}
    models |= {"RAG_ENRICH_MODELS": "openai:stand-in-chat"}
    for variable, value in models.items():
        monkeypatch.setenv(variable, value)
    sync(platform((paid[0], paid[1] | models)))
    with answering("Reject") as asked:
        run = dags[name].test(run_conf=FORMS[name])
    assert {states(run)[task] for task in ("approve", asks)} == {"skipped"}
    assert str(run.state) == "success"
    assert paid[0].rows() == []
    (question,) = asked
    assert "by openai:stand-in-chat?" in question["subject"]
    assert "**cost, at most**" in question["body"]
    paid[0].control(chat=[json.dumps({"topics": ["words"], "confidence": 0.9})] * 2)
    with answering("Approve"):
        run = dags[name].test(run_conf=FORMS[name])
    assert {states(run)[task] for task in ("approve", asks)} == {"success"}
    assert paid[0].rows()
