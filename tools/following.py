"""Follows Dag runs through Airflow's REST API, and tells what happens as it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools.airflow_api import AirflowApi, RefusedError, UnreachableError
from tools.console import RefusalError, StatusLine, duration, say
from tools.stages import Stage, changes, failed_instances, moment, stages_of

POLL_SECONDS = 0.7
LONGEST_WAIT_FOR_A_DAG_SECONDS = 180
LONGEST_WAIT_FOR_AN_EVENT_SECONDS = 90
LONGEST_WAIT_FOR_A_DUE_RUN_SECONDS = 15
LONGEST_SILENCE_SECONDS = 60
ACTIVE = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one Dag."""

    dag: str
    id: str

    @property
    def path(self) -> str:
        """Where the REST API has it."""
        return f"/dags/{self.dag}/dagRuns/{quote(self.id, safe='')}"


class Follower:
    """Reads runs from one Airflow, whose task logs are on this disk."""

    def __init__(self, api: AirflowApi, logs: Path) -> None:
        self._api = api
        self._logs = logs

    def wait_for_dags(self, *dags: str) -> None:
        """Returns when all are parsed and unpaused; RefusalError when a Dag file cannot be imported."""
        deadline = time.monotonic() + LONGEST_WAIT_FOR_A_DAG_SECONDS
        missing = list(dags)
        while missing:
            missing = [dag for dag in missing if not self._is_ready(dag)]
            errors = self._read("/importErrors")["import_errors"] if missing else []
            if errors:
                trace = str(errors[0]["stack_trace"]).strip().splitlines()
                raise RefusalError(f"{errors[0]['filename']} cannot be imported: {trace[-1]}")
            if missing and time.monotonic() > deadline:
                raise RefusalError(
                    f"Airflow does not show {', '.join(missing)} (logs: {self._logs})."
                )
            time.sleep(POLL_SECONDS if missing else 0)

    def wait_for_due_run(self, dag: str) -> None:
        """Returns when the scheduler has created the run that is due now; at once if none is.

        Triggering another one meanwhile would make every stage run twice.
        """
        deadline = time.monotonic() + LONGEST_WAIT_FOR_A_DUE_RUN_SECONDS
        while time.monotonic() < deadline and not self.active(dag):
            due = self._read(f"/dags/{dag}")["next_dagrun_run_after"]
            if due is None or moment(due) > datetime.now(UTC):
                return
            time.sleep(POLL_SECONDS)

    def trigger(self, dag: str) -> Run:
        """Starts a run now."""
        answer = self._api.post(f"/dags/{dag}/dagRuns", {"logical_date": None})
        return Run(dag, answer["dag_run_id"])

    def active(self, dag: str) -> list[Run]:
        """Runs that are queued or running, the oldest first."""
        query = {"state": list(ACTIVE), "order_by": "run_after", "limit": 20}
        return [Run(dag, each["dag_run_id"]) for each in self._read(f"/dags/{dag}/dagRuns", **query)["dag_runs"]]  # fmt: skip

    def follow(self, run: Run) -> None:
        """Returns when the run succeeded; tells of every stage meanwhile.

        Raises RefusalError with the failed task's last log lines when it did not.
        """
        line, began = StatusLine(), time.monotonic()
        before: Mapping[str, Stage] = {}
        while True:
            state = self._read(run.path)["state"]
            instances = self._instances(run)
            after = stages_of(instances)
            if told := changes(before, after):
                line.clear()
                for change in told:
                    say(f"  {run.dag:17} {change}")
            before = after
            if state not in ACTIVE:
                line.clear()
                break
            line.show(f"  {_underway(run, after)} ({duration(time.monotonic() - began)})")
            time.sleep(POLL_SECONDS)
        if state != "success":
            raise RefusalError(self._failure(run, instances))

    def runs_woken_by(self, run: Run, *, dag: str) -> list[Run]:
        """The runs of `dag` that the events of `run` created; none when it emitted no event.

        Waits for the scheduler to create them; RefusalError when it does not.
        """
        deadline = time.monotonic() + LONGEST_WAIT_FOR_AN_EVENT_SECONDS
        while events := self.events_of(run):
            woken = [each["run_id"] for event in events for each in event["created_dagruns"] if each["dag_id"] == dag]  # fmt: skip
            if woken or self.active(dag):
                return [Run(dag, run_id) for run_id in woken]
            if time.monotonic() > deadline:
                raise RefusalError(f"{run.dag} emitted its event, but Airflow started no {dag} (logs: {self._logs}): run the same command again.")  # fmt: skip
            time.sleep(POLL_SECONDS)
        return []

    def events_of(self, run: Run) -> list[dict[str, Any]]:
        """The asset events that the run emitted."""
        answer = self._read("/assets/events", source_dag_id=run.dag, source_run_id=run.id)
        return list(answer["asset_events"])

    def _read(self, path: str, **query: object) -> Any:
        """The JSON of a path; asked again while the server errs, as it does now and then.

        One known case in Airflow 3.3.2: the events of a run are an error 500 while a run they
        created is queued.
        """
        deadline = time.monotonic() + LONGEST_SILENCE_SECONDS
        while True:
            try:
                return self._api.get(path, **query)
            except UnreachableError as error:
                if time.monotonic() > deadline:
                    raise RefusalError(f"Airflow does not answer any more ({error}); its logs are in {self._logs}.") from error  # fmt: skip
                time.sleep(POLL_SECONDS)

    def _is_ready(self, dag: str) -> bool:
        try:
            if self._read(f"/dags/{dag}")["is_paused"]:
                self._api.patch(f"/dags/{dag}", {"is_paused": False})
        except RefusedError:
            return False
        return True

    def _instances(self, run: Run) -> list[dict[str, Any]]:
        return list(self._read(run.path + "/taskInstances", limit=1000)["task_instances"])

    def _failure(self, run: Run, instances: Iterable[Mapping[str, Any]]) -> str:
        parts = [f"{run.dag} failed."]
        for instance in failed_instances(list(instances))[:1]:
            log = task_log(self._logs, run, instance)
            parts += [f"The end of the log of its task {instance['task_id']}:", *last_events(log)]
            parts.append(f"All of it: {log}")
        return "\n".join(parts)


def task_log(logs: Path, run: Run, instance: Mapping[str, Any]) -> Path:
    """Where Airflow wrote the log of a task instance's last try."""
    index = int(instance.get("map_index", -1))
    folder = logs / f"dag_id={run.dag}" / f"run_id={run.id}" / f"task_id={instance['task_id']}"
    return (folder / f"map_index={index}" if index >= 0 else folder) / f"attempt={instance['try_number']}.log"  # fmt: skip


def last_events(log: Path, count: int = 8) -> list[str]:
    """The last messages of a task's log, and the error that ended it."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        return [f"  (cannot be read: {error.strerror})"]
    return [f"  {text}" for line in lines[-count:] for text in _event(line)]


def _event(line: str) -> list[str]:
    try:
        event = json.loads(line)
    except ValueError:
        return [line]
    if not isinstance(event, dict):
        return [line]
    text = str(event.get("event", ""))
    if text.startswith("::"):  # marks of foldable groups in the UI
        return []
    errors = event.get("error_detail") or []
    return [
        f"{event.get('level', '')}: {text}",
        *(f"{error.get('exc_type')}: {error.get('exc_value')}" for error in errors),
    ]


def _underway(run: Run, stages: Mapping[str, Stage]) -> str:
    running = [stage for stage in stages.values() if dict(stage.states).get("running")]
    if not running:
        return f"{run.dag} …"
    stage = running[-1]
    count = f" {stage.finished}/{stage.total}" if stage.mapped else ""
    return f"{run.dag} {stage.task}{count} …"
