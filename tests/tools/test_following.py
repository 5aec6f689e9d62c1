"""What the demo tells while Airflow works, against an API server of canned answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tools.airflow_api import AirflowApi, RefusedError, UnreachableError
from tools.console import RefusalError
from tools.demo import ingested
from tools.following import Follower, Run, last_events, task_log
from tools.stages import changes, stages_of

RUN = Run("ingest_documents", "asset_triggered__1+00:00")
Json = dict[str, Any]


def _instance(
    task: str, state: str | None, index: int = -1, *, start: int = 0, end: int | None = None
) -> Json:
    def at(second: int | None) -> str | None:
        return None if second is None else f"2026-01-01T00:00:{second:02d}Z"

    begun = None if state in (None, "scheduled", "queued") else at(start)
    return {
        "task_id": task,
        "state": state,
        "map_index": index,
        "start_date": begun,
        "end_date": at(end),
        "try_number": 1,
    }


@pytest.mark.parametrize(
    ("instances", "line"),
    [
        ([_instance("plan", "running")], "running"),
        ([_instance("plan", "success", end=7)], "done in 7 s"),
        ([_instance("plan", "skipped", end=1)], "skipped, nothing to do"),
        ([_instance("plan", "up_for_retry", end=1)], "failed, will be tried again"),
        ([_instance("plan", "queued")], ""),
        ([_instance("plan", None)], ""),
        (
            [_instance("e", "success", 0, end=2), _instance("e", "running", 1, start=2)],
            "1 of 2 done",
        ),
        (
            [
                _instance("e", "success", 0, end=2),
                _instance("e", "success", 1, start=2, end=65 - 6),
            ],
            "2 of 2 done in 59 s",
        ),
        (
            [_instance("e", "success", 0, end=2), _instance("e", "failed", 1, end=2)],
            "1 of 2 done, 1 FAILED",
        ),
    ],
)
def test_a_stage_is_told_in_words(instances: list[Json], line: str) -> None:
    assert next(iter(stages_of(instances).values())).line() == line


def test_only_stages_that_changed_are_told_in_the_order_they_started() -> None:
    before = stages_of([_instance("plan", "running"), _instance("gate", None)])
    after = stages_of([_instance("gate", "running", start=3), _instance("plan", "success", end=2)])
    assert changes(before, after) == ["plan           done in 2 s", "gate           running"]
    assert changes(after, after) == []


def test_a_rerun_without_changes_says_that_nothing_was_embedded() -> None:
    counts = {"documents": 250, "chunks": 5000, "quarantined": 0}
    assert "Nothing changed since the last run: 0 texts embedded." in ingested([], counts)
    told = ingested([{"embedded": 3, "reused": 1}, {"embedded": 4}], counts)
    assert told.startswith("7 texts embedded, 1 reused from the cache.")
    assert "250 documents in 5000 chunks" in told


class CannedAirflow:
    """Answers GET by path from lists of (status, body); the last answer of a list repeats."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Json]]] = {}
        canned = self

        class Answering(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                path = self.path.partition("?")[0].removeprefix("/api/v2")
                queue = canned.answers.get(path, [(404, {"detail": "none"})])
                status, body = queue.pop(0) if len(queue) > 1 else queue[0]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            do_GET = do_POST = do_PATCH = _answer  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.answers["/auth/token"] = [(201, {"access_token": "t"})]


@pytest.fixture
def airflow() -> Iterator[CannedAirflow]:
    canned = CannedAirflow()
    thread = threading.Thread(target=canned.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield canned
    canned.server.shutdown()
    thread.join()
    canned.server.server_close()


def _follower(airflow: CannedAirflow, logs: Path) -> Follower:
    return Follower(AirflowApi(airflow.url, "admin", "secret"), logs)


def test_a_run_is_followed_to_its_end_through_a_hiccup_of_the_server(
    airflow: CannedAirflow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    airflow.answers[RUN.path] = [
        (200, {"state": "running"}),
        (500, {}),
        (200, {"state": "success"}),
    ]
    airflow.answers[RUN.path + "/taskInstances"] = [
        (200, {"task_instances": [_instance("plan", "running")]}),
        (200, {"task_instances": [_instance("plan", "success", end=4)]}),
    ]
    _follower(airflow, tmp_path).follow(RUN)
    told = [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()]
    assert [" ".join(line.split()) for line in told] == ["plan running", "plan done in 4 s"]


def test_a_failed_run_shows_the_end_of_the_failed_tasks_log(
    airflow: CannedAirflow, tmp_path: Path
) -> None:
    airflow.answers[RUN.path] = [(200, {"state": "failed"})]
    failed = _instance("embed", "failed", 2, end=1)
    airflow.answers[RUN.path + "/taskInstances"] = [(200, {"task_instances": [failed]})]
    log = task_log(tmp_path, RUN, failed)
    log.parent.mkdir(parents=True)
    log.write_text(
        '{"event": "::group::Pre Execute", "level": "info"}\n'
        '{"event": "Task failed", "level": "error", "error_detail": [{"exc_type": "ModelError", "exc_value": "no such model"}]}\n'
    )
    with pytest.raises(RefusalError) as refusal:
        _follower(airflow, tmp_path).follow(RUN)
    told = str(refusal.value).splitlines()
    assert told[2:4] == ["  error: Task failed", "  ModelError: no such model"]
    assert told[-1] == f"All of it: {log}"


def test_a_missing_log_is_said_so(tmp_path: Path) -> None:
    assert last_events(tmp_path / "attempt=1.log") == [
        "  (cannot be read: No such file or directory)"
    ]


def test_a_dag_file_that_cannot_be_imported_is_named(
    airflow: CannedAirflow, tmp_path: Path
) -> None:
    error = {
        "filename": "dags/x.py",
        "stack_trace": "Traceback\nNameError: name 'y' is not defined\n",
    }
    airflow.answers["/importErrors"] = [(200, {"import_errors": [error]})]
    with pytest.raises(RefusalError, match=r"dags/x.py cannot be imported: NameError"):
        _follower(airflow, tmp_path).wait_for_dags("x")


def test_the_runs_an_event_created_are_found_and_none_without_an_event(
    airflow: CannedAirflow, tmp_path: Path
) -> None:
    follower = _follower(airflow, tmp_path)
    airflow.answers["/assets/events"] = [(200, {"asset_events": []})]
    assert follower.runs_woken_by(RUN, dag="next") == []
    created = [{"dag_id": "next", "run_id": "n1"}, {"dag_id": "other", "run_id": "o1"}]
    airflow.answers["/assets/events"] = [
        (500, {}),
        (200, {"asset_events": [{"created_dagruns": created}]}),
    ]
    assert follower.runs_woken_by(RUN, dag="next") == [Run("next", "n1")]


def test_a_refusal_and_a_silent_server_are_told_apart(airflow: CannedAirflow) -> None:
    with pytest.raises(RefusedError, match="404"):
        AirflowApi(airflow.url, "admin", "secret").get("/nothing")
    with pytest.raises(UnreachableError):
        AirflowApi("http://127.0.0.1:9", "admin", "secret").health()
