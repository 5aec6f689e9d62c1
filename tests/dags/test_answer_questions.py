"""A file of questions through Airflow: batches, a budget stop, and the run that goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.commands.ingest import sync
from include.deployment import EnvironmentDeployment
from include.settings import Settings
from include.wiring import Platform
from tests.standin.running import standing_in

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.xdist_group("airflow"),
]
FORM = {"uri": "", "questions": "", "prompt_version": "", "k": 3}


def collected(run: Any) -> dict[str, Any]:
    instance = next(t for t in run.get_task_instances() if t.task_id == "collect")
    return instance.xcom_pull(task_ids="collect", key="return_value")


def test_a_file_is_answered_once_and_what_is_missing_by_the_next_run(
    dags: dict[str, Any], environment: dict[str, str], inbox: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    (inbox / "retry.md").write_text("# Retry\n\nRetries failing calls with a growing delay.\n")
    questions = inbox / "questions.jsonl"
    sync(Platform(Settings.from_environment(environment)))
    questions.write_text(
        "".join(json.dumps({"id": n, "question": f"Why {n}?"}) + "\n" for n in range(12))
    )
    with standing_in(tmp_path / "meter.jsonl") as api:
        world = {
            **environment,
            **api.environment(timeout=10),
            "RAG_CHAT_MODEL": "openai:stand-in-chat",
        }
        for name, value in world.items():
            monkeypatch.setenv(name, value)
        dag = dags["answer_questions"]
        run = dag.test(run_conf=FORM | {"uri": questions.as_uri()})
        assert str(run.state) == "success"
        found = collected(run)
        assert (found["questions"], found["answered"], len(api.rows())) == (12, 12, 12)
        platform = Platform(Settings.from_environment(world), EnvironmentDeployment(world))
        raw = platform.lake.files.read(platform.lake.files.path(found["jsonl"]))
        rows = [json.loads(line) for line in raw.decode().splitlines()]
        assert [row["id"] for row in rows] == [str(n) for n in range(12)]
        assert {row["citations"][0]["uri"] for row in rows} == {(inbox / "retry.md").as_uri()}
        monkeypatch.setenv("AIRFLOW_VAR_RAG_BUDGETS", json.dumps({"daily_usd": 0}))
        form = FORM | {"questions": "Why 1?\nWhat else?"}
        assert str(dag.test(run_conf=form).state) == "failed"
        monkeypatch.delenv("AIRFLOW_VAR_RAG_BUDGETS")
        run = dag.test(run_conf=form)
        assert (str(run.state), collected(run)["answered"], len(api.rows())) == ("success", 2, 13)
        run = dag.test(run_conf=form)
        assert (str(run.state), collected(run)["answered"], len(api.rows())) == ("success", 2, 13)
