"""What Airflow adds: `ingest_documents` of 2,000 short documents, beside `sync` of them in one process.

    python -m tests.benchmarks.bench_overhead [--documents 2000] [--port 8099] [--precision fp32]

Both embed with the real model into an empty lake. `sync` is counted from the start of its process to
its end. A local Airflow (SQLite, LocalExecutor) runs the Dag; counted are the LocalExecutor's workers
and the task processes they start, which is everything that runs because of the tasks: start,
imports, the model in each embed task, heartbeats. What scheduler, API server, Dag processor and triggerer
took in that time, and what they take when idle for as long, is reported beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.corpus import corpus, write
from tests.benchmarks.figures import HEADER, Figure, limited
from tests.benchmarks.metering import yardstick
from tools.airflow_api import AirflowApi
from tools.airflow_home import USER, AirflowHome
from tools.airflow_start import start, sweep
from tools.processes import Leader

BAR = 0.15
IDLE_SECONDS = 30
LONGEST_SECONDS = 1_800
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Used:
    """CPU seconds so far: of the executor's workers with all their tasks, and of everything else."""

    tasks: float
    others: float

    def since(self, before: Used) -> Used:
        """What was used after `before`."""
        return Used(self.tasks - before.tasks, self.others - before.others)


def used(session: Leader) -> Used:
    """User and system time of the session's processes and of those they have waited for."""
    tasks = others = 0.0
    for process in session.members():
        with suppress(psutil.Error):
            spent = sum(process.cpu_times()[:4])
            if _of_the_executor(process):
                tasks += spent
            else:
                others += spent
    return Used(tasks, others)


def _of_the_executor(process: psutil.Process) -> bool:
    """Whether it is a LocalExecutor worker or below one; `setproctitle` names the workers."""
    line = [process, *process.parents()]
    return any("LocalExecutor" in " ".join(each.cmdline()) for each in line)


def synced(environment: dict[str, str]) -> tuple[float, Json]:
    """CPU seconds of a whole `python -m include sync`, and its receipt."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "include", "sync", "--json"], env=environment, stdout=output
        )
        _, status, spent = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if process.returncode:
            raise SystemExit(f"sync ended with {process.returncode}: {output.read()!r}")
        return spent.ru_utime + spent.ru_stime, json.loads(output.read())


@contextmanager
def running(folder: Path, port: int) -> Iterator[tuple[AirflowApi, Leader]]:
    """A local Airflow on what the environment says, idle."""
    home = AirflowHome(folder / "airflow")
    try:
        started, _ = start(home, port=port, demo=False)
        airflow = AirflowApi(started.url, USER, home.password())
        _wait(lambda: airflow.get("/dags", dag_id_pattern="ingest_documents")["total_entries"])
        _wait(lambda: not _active(airflow), settled=15)
        yield airflow, Leader(started.pid, started.created)
    finally:
        sweep(home)


def ingested(airflow: AirflowApi, session: Leader) -> tuple[Used, float, Json]:
    """What one run of the Dag used, how long it took, and its embed tasks' states by number."""
    before, began = used(session), time.monotonic()
    run = airflow.post("/dags/ingest_documents/dagRuns", {"logical_date": None})["dag_run_id"]
    path = f"/dags/ingest_documents/dagRuns/{run}"
    _wait(lambda: airflow.get(path)["state"] in ("success", "failed"))
    seconds = time.monotonic() - began
    time.sleep(3)  # the last task's worker
    spent = used(session).since(before)
    if airflow.get(path)["state"] != "success":
        raise SystemExit(f"{run} failed.")
    tasks = airflow.get(f"{path}/taskInstances", limit=100)["task_instances"]
    return spent, seconds, {each["task_id"] + str(each["map_index"]): each["state"] for each in tasks}  # fmt: skip


def measured(folder: Path, options: argparse.Namespace) -> list[Figure]:
    """`sync`, then Airflow, with a yardstick for the machine beside each."""
    source, empty = folder / "documents", folder / "source"
    empty.mkdir()
    os.environ |= {
        "RAG_ENV_FILE": "", "HF_HUB_OFFLINE": "1", "RAG_EMBEDDER_PRECISION": options.precision,
        "RAG_SOURCE_URI": empty.as_uri(), "RAG_WATCH": "none",
    }  # fmt: skip
    write(corpus(16, small=True), folder / "few")
    synced(_lake(folder, "warm", folder / "few"))  # exports the model, once
    write(corpus(options.documents, small=True), source)
    os.environ |= _lake(folder, "airflow", empty)
    with running(folder, options.port) as (airflow, session):
        before = used(session)
        time.sleep(IDLE_SECONDS)
        idle = used(session).since(before)
        empty.rmdir()
        source.rename(empty)
        machine = yardstick()
        tasks, seconds, states = ingested(airflow, session)
        machine_tasks = (machine + yardstick()) / 2
    machine = yardstick()
    alone, receipt = synced(_lake(folder, "sync", empty))
    machine_alone = (machine + yardstick()) / 2
    documents = receipt["added"]
    embeds = sum(name.startswith("embed") for name in states)
    note = (
        f"{documents} documents, {receipt['embedded']} texts; sync {alone:.1f} CPU s, task "
        f"processes {tasks.tasks:.1f} ({len(states)} tasks, {embeds} of them embed, {seconds:.0f} s); "
        f"the same work cost {machine_tasks / machine_alone:.2f} times as much CPU meanwhile"
    )
    idle_there = idle.others / IDLE_SECONDS * seconds
    beside = f"idle for as long: {idle_there:.1f} CPU s"
    return [
        limited("task processes beyond sync", tasks.tasks / alone - 1, BAR, "of sync", note),
        Figure("scheduler, API server and the others meanwhile", f"{tasks.others:.1f} CPU s", note=beside),
    ]  # fmt: skip


def _lake(folder: Path, name: str, source: Path) -> dict[str, str]:
    own = {"RAG_LAKE_URI": (folder / f"lake-{name}").as_uri(), "RAG_SOURCE_URI": source.as_uri()}
    return {**os.environ, **own}


def _active(airflow: AirflowApi) -> bool:
    found = airflow.get("/dags/~/dagRuns", state=["queued", "running"], limit=1)
    return bool(found["total_entries"])


def _wait(true: Any, *, settled: float = 0.0) -> None:
    """Until it is true, and has been for so many seconds."""
    began, since = time.monotonic(), None
    while since is None or time.monotonic() - since < settled:
        if not true():
            since = None
        elif since is None:
            since = time.monotonic()
        if time.monotonic() - began > LONGEST_SECONDS:
            raise SystemExit(f"Not within {LONGEST_SECONDS} s.")
        time.sleep(1)


def main() -> int:
    """Prints the figures; 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=2_000)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "int8"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(Path(folder), options)
    print(HEADER, *(figure.line() for figure in figures), sep="\n")
    return 1 if any(figure.good is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
