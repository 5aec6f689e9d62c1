"""Two versions of a prompt compared through Airflow: figures in the result, answers on the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.commands.ingest import sync
from include.settings import Settings
from include.storage.files import local_path
from include.wiring import Platform
from tests.standin.running import standing_in

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.xdist_group("airflow"),
]
PROMPTS = {
    "answer": {
        "versions": [{"version": "short", "template": "{{ passages | tojson }} {{ question }}"}],
        "labels": {"candidate": "short"},
    }
}


def test_two_versions_are_judged_and_the_answers_stay_out_of_the_result(
    dags: dict[str, Any], environment: dict[str, str], inbox: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    (inbox / "retry.md").write_text("# Retry\n\nRetries failing calls with a growing delay.\n")
    sync(Platform(Settings.from_environment(environment)))
    (inbox / "asked.txt").write_text("What retries?\nWhy?\n")
    good, bad = json.dumps({"score": 1}), json.dumps({"score": 0})
    with standing_in(tmp_path / "meter.jsonl") as api:
        world = {**environment, **api.environment(timeout=10)}
        world |= {"RAG_CHAT_MODEL": "openai:stand-in-chat", "RAG_RESPONSE_CACHE_SECONDS": "0"}
        for name, value in (world | {"AIRFLOW_VAR_PROMPT_TEMPLATES": json.dumps(PROMPTS)}).items():
            monkeypatch.setenv(name, value)
        api.control(chat=["The first says.", bad, bad, bad, "The second says.", good, good, good])
        form = {"uri": (inbox / "asked.txt").as_uri(), "most": 1}
        run = dags["compare_prompts"].test(run_conf=form)
        assert len(api.rows()) == 8
    assert str(run.state) == "success"
    found = run.get_task_instances()[0].xcom_pull(task_ids="compare", key="return_value")
    planned = run.get_task_instances()[0].xcom_pull(task_ids="plan", key="return_value")
    # At most: two answers, and six judgements that may each be asked for twice.
    assert (planned["questions"], planned["calls"]) == (1, 14)
    assert [row["prompt_version"] for row in found["judged"]] == ["production", "candidate"]
    assert [row["versions"] for row in found["judged"]] == [["1"], ["short"]]
    assert found["differences"]["faithfulness"]["mean"] == 1
    assert "says" not in json.dumps(found)
    page = local_path(found["report"]).read_text()
    assert "The first says." in page
    assert "The second says." in page
