"""`reembed_corpus` through the provider's batches: the trigger waits, the task goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from include.deployment import EnvironmentDeployment
from include.indexes import of_values
from include.settings import Settings
from include.wiring import Platform
from tests.dags.test_dags import run, states
from tests.spending.batching import require_paid_once, submitted
from tests.standin.running import KEY, Running, standing_in

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.xdist_group("airflow"),
]
TARGET = "RAG_EMBEDDER=openai:stand-in-embed@32"
FORM = {"target": TARGET, "first_day": "", "last_day": ""}


@pytest.fixture
def paid(environment, inbox, tmp_path, monkeypatch) -> Iterator[tuple[Running, Platform]]:
    """Two ingested documents, a paid target, and batches that take half a second."""
    for name in ("one", "two"):
        (inbox / f"{name}.txt").write_text("\n\n".join(f"{name} part {n}." for n in range(20)))
    with standing_in(tmp_path / "meter.jsonl") as api:
        settings = {**environment, **api.environment(timeout=10, batch_poll_seconds=0.1)}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        platform = Platform(Settings.from_environment(settings), EnvironmentDeployment(settings))
        yield api, of_values(platform, {"RAG_EMBEDDER": "openai:stand-in-embed@32"})
        platform.close()


def test_a_fill_waits_for_its_batch_and_a_model_without_batches_is_refused(dags, paid, caplog):
    api, target = paid
    assert run(dags["ingest_documents"])[0] == "success"
    api.control(batch_seconds=0.5)
    state, tasks = run(dags["reembed_corpus"], **FORM, batch_api=True)
    assert (state, states(tasks, "by_batch")) == ("success", {"success"})
    assert len(submitted(api)) == 1
    assert {row["batch"] for row in api.rows(charged=True)} == submitted(api)
    require_paid_once(api, target)
    assert target.registry.get(target.index_name).state == "candidate"
    (entry,) = target.spending.ledger.entries(target.spending.clock().date())
    assert (entry.caller.dag, entry.caller.task) == ("reembed_corpus", "by_batch")
    assert KEY not in caplog.text
    before = target.registry.indexes()
    local = FORM | {"target": "RAG_EMBEDDER=fake:48", "batch_api": True}
    state, tasks = run(dags["reembed_corpus"], **local)
    assert (state, states(tasks, "plan")) == ("failed", {"failed"})
    assert target.registry.indexes() == before


def test_the_trigger_keeps_the_key_out_of_what_airflow_stores(paid):
    api, _ = paid
    made = import_module("rag_batch_triggers").BatchTrigger(
        ["batch_1"], f"http://127.0.0.1:{api.port}/v1", "openai_default", 0.05, {}
    )
    path, arguments = made.serialize()
    assert KEY not in json.dumps(arguments)
    assert type(made)(**arguments).serialize() == (path, arguments)


def test_the_trigger_asks_on_while_the_provider_does_not_answer(paid):
    api, _ = paid
    trigger = import_module("rag_batch_triggers").BatchTrigger
    unknown = trigger(["batch_9"], f"http://127.0.0.1:{api.port}/v1", "openai_default", 0.05)
    assert _first(unknown, 20).payload == {"over": ["batch_9"]}
    idle = trigger([], "http://127.0.0.1:9/v1", "openai_default", 0.05)
    assert _first(idle, 5).payload == {"over": []}
    down = trigger(["batch_1"], "http://127.0.0.1:9/v1", "openai_default", 0.05)
    with pytest.raises(TimeoutError):
        _first(down, 1)


def _first(trigger: Any, seconds: float) -> Any:
    async def first() -> Any:
        return await asyncio.wait_for(anext(trigger.run()), seconds)

    return asyncio.run(first())
