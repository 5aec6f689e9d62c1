"""Documents described through Airflow: off by default, then once, then in the index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.commands.ingest import sync
from include.commands.query import Narrowing, search, searcher
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
FORM = {"most": 100, "again": False}


def states(run: Any) -> dict[str, str]:
    return {each.task_id: str(each.state) for each in run.get_task_instances()}


def test_documents_are_described_once_and_the_doubtful_are_shown_to_a_person(
    dags: dict[str, Any], environment: dict[str, str], inbox: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    for name in ("one", "two"):
        (inbox / f"{name}.txt").write_text(f"Retries call {name} with a growing delay.\n")
    world = environment | {"RAG_METADATA_FIELDS": "topics:list"}
    sync(Platform(Settings.from_environment(world)))
    for name, value in world.items():
        monkeypatch.setenv(name, value)
    dag = dags["enrich_documents"]
    assert set(states(dag.test(run_conf=FORM)).values()) == {"skipped"}
    sure = {"topics": ["retries"], "confidence": 0.9}
    with standing_in(tmp_path / "meter.jsonl") as api:
        models = {
            "RAG_CHAT_MODEL": "openai:stand-in-chat",
            "RAG_ENRICH_MODELS": "openai:stand-in-chat",
        }
        world |= models | api.environment(timeout=10)
        for name, value in world.items():
            monkeypatch.setenv(name, value)
        api.control(chat=[json.dumps(sure), json.dumps(sure | {"confidence": 0.2})])
        run = dag.test(run_conf=FORM, mark_success_pattern="ask")
        ended = states(run)
        assert (ended["describe"], ended["announce"], ended["collect"]) == ("success",) * 3
        assert ended["decide"] == "skipped"  # nobody answered
        platform = Platform(Settings.from_environment(world), EnvironmentDeployment(world))
        assert sync(platform)[0]["metadata"] == 1
        within = searcher(platform, None, Narrowing("topics contains 'retries'"))
        assert len(search(within, "retries")["hits"]) == 1
        again = states(dag.test(run_conf=FORM, mark_success_pattern="ask"))
        assert (again["describe"], again["collect"]) == ("skipped", "success")  # it still waits
        assert len(api.rows()) == 2
