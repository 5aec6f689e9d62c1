"""A run that pays, through Airflow: who paid is in the ledger, and the key is nowhere."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.orchestration.callbacks import XCOM_KEY
from include.spending.ledger import Ledger, today_utc
from include.storage.objects import LocalObjects
from tests.standin.running import KEY, standing_in

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.xdist_group("airflow"),
]


def xcoms(home: Path, run_id: str) -> list[tuple[tuple[str, int], str]]:
    """What tasks of the run left under `token_usage`, by task and map index."""
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        query = "select task_id, map_index, value from xcom where run_id = ? and key = ?"
        rows = database.execute(query, (run_id, XCOM_KEY)).fetchall()
    return [((task, index), value) for task, index, value in rows]


def test_a_paid_run_says_who_paid_and_keeps_the_key(
    dags: dict[str, Any],
    airflow_home: Path,
    environment: dict[str, str],
    inbox: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (inbox / "one.txt").write_text("The first document says something.")
    with standing_in(tmp_path / "meter.jsonl") as api:
        settings = {**environment, **api.environment(timeout=10)}
        for name, value in (settings | {"RAG_EMBEDDER": "openai:stand-in-embed@32"}).items():
            monkeypatch.setenv(name, value)
        run = dags["ingest_documents"].test()
        (row,) = api.rows()
    assert str(run.state) == "success"
    (entry,) = Ledger(LocalObjects(tmp_path / "lake")).entries(today_utc())
    assert (entry.id, entry.status, entry.cost_usd) == (row["id"], "ok", Decimal("0.0000001"))
    caller = entry.caller
    assert (caller.dag, caller.task, caller.map_index) == ("ingest_documents", "embed", 0)
    assert caller.run == f"ingest_documents/{run.run_id}"
    assert caller.try_number >= 1
    receipts = [
        value
        for instance in run.get_task_instances()
        if isinstance(value := instance.xcom_pull(task_ids="publish", key="return_value"), dict)
    ]
    assert receipts[0]["cost_usd"] == "0.0000001"
    shown = {task: json.loads(value) for task, value in xcoms(airflow_home, run.run_id)}
    assert {name: (each["calls"], each["cost_usd"]) for name, each in shown.items()} == {
        ("embed", 0): (1, "0.0000001")
    }
    assert KEY not in caplog.text
    database = sqlite3.connect(airflow_home / "airflow.db")
    dumped = "\n".join(database.iterdump())
    database.close()
    assert KEY not in dumped
    for path in (tmp_path / "lake").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()
