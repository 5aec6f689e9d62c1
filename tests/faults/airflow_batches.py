"""A batch at a stand-in provider while the local Airflow's triggerer and scheduler are killed.

    python -m tests.faults.airflow_batches [--port 8098] [--seconds 300]

A copy of the repository runs its own Airflow. `reembed_corpus` waits for a batch; the triggerer is
killed, the task is cleared, the scheduler is killed; then the batch completes. It should have been
submitted once, and paid once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.deployment import EnvironmentDeployment
from include.indexes import of_values
from include.settings import Settings
from include.wiring import Platform
from tests.faults.airflow_kills import Stage
from tests.spending.batching import require_paid_once
from tests.standin.running import Running, standing_in

DAG = "reembed_corpus"
MODEL = "openai:stand-in-embed@32"


@dataclass(frozen=True, slots=True)
class BatchStage(Stage):
    """The same copy with the stand-in's connection."""

    provider: Running

    def environment(self, lake: str) -> dict[str, str]:
        # Named: a dataclass with slots is another class than the one `super()` knows.
        there = self.provider.environment(timeout=10, batch_poll_seconds=1)
        return Stage.environment(self, lake) | there

    def unpause(self) -> None:
        self.until(
            lambda: self.api().patch(f"/dags/{DAG}", {"is_paused": False}), "the Dag is read"
        )

    def trigger(self) -> str:
        conf = {"target": f"RAG_EMBEDDER={MODEL}", "batch_api": True}
        body: dict[str, Any] = {"logical_date": None, "conf": conf}
        return str(self.api().post(f"/dags/{DAG}/dagRuns", body)["dag_run_id"])

    def state(self, run: str, task: str = "") -> str:
        of_task = f"/taskInstances/{task}" if task else ""
        return str(self.api().get(f"/dags/{DAG}/dagRuns/{run}{of_task}")["state"])

    def clear(self, run: str) -> None:
        body = {"dry_run": False, "dag_run_id": run, "task_ids": ["by_batch"], "only_failed": False}
        self.api().post(f"/dags/{DAG}/clearTaskInstances", body)

    def kill(self, component: str) -> None:
        log = (self.home.logs / "start.log").read_text()
        pid = int(re.findall(rf"{component}: started as process (\d+)", log)[-1])
        os.kill(pid, signal.SIGKILL)

    def until(self, seen: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                if seen():
                    return print(
                        json.dumps({"at": round(time.monotonic()), "seen": what}), flush=True
                    )
            except Exception as error:
                print(json.dumps({"waiting": what, "error": repr(error)[:80]}), flush=True)
            if time.monotonic() > deadline:
                raise SystemExit(f"Not seen within {self.seconds:g} s: {what}.")
            time.sleep(2)

    def target(self) -> Platform:
        world = self.environment("lake")
        platform = Platform(Settings.from_environment(world), EnvironmentDeployment(world))
        return of_values(platform, {"RAG_EMBEDDER": MODEL})


def tried(stage: BatchStage) -> dict[str, Any]:
    """One run, three interruptions; what came of it."""
    stage.provider.control(batch_seconds=3_600)
    run = stage.trigger()
    stage.until(lambda: stage.state(run, "by_batch") == "deferred", "the task is deferred")
    stage.kill("triggerer")
    time.sleep(5)
    stage.until(lambda: stage.state(run, "by_batch") == "deferred", "deferred without a triggerer")
    stage.clear(run)
    time.sleep(5)
    stage.until(lambda: stage.state(run, "by_batch") == "deferred", "deferred again, cleared")
    stage.kill("scheduler")
    stage.provider.control(batch_seconds=0)
    stage.until(lambda: stage.state(run) in ("success", "failed"), "the run is over")
    target = stage.target()
    require_paid_once(stage.provider, target)
    listed = target.remote.ask(lambda client, _: list(client.batches.list()))
    index = target.registry.get(target.index_name)
    return {"run": stage.state(run), "batches": len(listed or ()), "index": index.state}


def main() -> int:
    """Prints what was seen; status 1 when the batch was not submitted and paid exactly once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8098)
    parser.add_argument("--seconds", type=float, default=300, help="the longest a step may take")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="airflow-batches-") as folder,
        standing_in(Path(folder) / "meter.jsonl") as provider,
    ):
        stage = BatchStage(Path(folder), chosen.port, chosen.seconds, provider)
        stage.build()
        try:
            stage.airflow("up")
            stage.unpause()
            result = tried(stage)
        finally:
            stage.airflow("down")
    print(json.dumps(result), flush=True)
    return 0 if result == {"run": "success", "batches": 1, "index": "candidate"} else 1


if __name__ == "__main__":
    sys.exit(main())
