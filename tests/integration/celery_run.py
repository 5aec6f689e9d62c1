"""The services of docker-compose.yaml as processes: real Redis, PostgreSQL, S3 API, Celery workers.

Environment and commands are read from the compose file; only host names, ports and folders differ. A copy
of the repository, in which the fake embedder writes down what it is paid for and takes 0.4 s a call like a
remote endpoint, ingests from S3 with two workers and loses one of them in the middle of embedding.
It needs Debian's `postgresql` and `redis-server`, and docs/deployment/requirements-celery.txt:

    python -m tests.integration.celery_run [--port 15220]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import yaml

from include.settings import Settings
from include.wiring import Platform
from tests.faults.airflow_kills import _REGISTERED
from tests.faults.corpus import Corpus
from tests.faults.paying import paid
from tests.integration.servers import postgresql, redis
from tests.s3.stores import Store, served
from tools.airflow_api import AirflowApi, UnreachableError

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
BATCH_TEXTS = 16


@dataclass
class Deployment:
    """The Airflow of the compose file, component by component."""

    root: Path
    port: int
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def copy(self) -> Path:
        return self.root / "copy"

    @property
    def register(self) -> Path:
        return self.root / "paid"

    def start(self, name: str, command: str, **environment: str) -> None:
        """Starts a component in a session of its own, so that it can be killed as a whole."""
        log = (self.root / f"{name}.log").open("w")
        self.running[name] = subprocess.Popen(
            [sys.executable, "-m", "airflow", *command.split()],
            cwd=self.copy, env=self.environment | environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip

    def worker(self, number: int) -> None:
        """One more worker, on a core of its own."""
        core = number % len(os.sched_getaffinity(0))
        self.start(
            f"worker{number}",
            f"{SERVICES['worker']['command']} --celery-hostname worker{number}@local --skip-serve-logs",
        )
        os.sched_setaffinity(self.running[f"worker{number}"].pid, {core})

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        """Signals a component and everything it started."""
        process = self.running.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def init(self) -> None:
        """What the service `init` does."""
        script = SERVICES["init"]["command"][-1].replace(
            "airflow ", f"{sys.executable} -m airflow "
        )
        script = script.replace("python -m tools", f"{sys.executable} -m tools")
        log = (self.root / "init.log").open("w")
        command = ["bash", "-euc", script]
        subprocess.run(
            command, cwd=self.copy, env=self.environment, check=True, stdout=log, stderr=log
        )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=15220)
    with deployed(parser.parse_args().port) as (deployment, airflow, store):
        for number in (1, 2):
            deployment.worker(number)
        figures = measured(deployment, airflow, store)
    print(json.dumps(figures, indent=1))
    return 0 if figures["nothing_lost"] and figures["paid_again"] <= BATCH_TEXTS else 1


@contextmanager
def deployed(
    port: int, charge: str = _REGISTERED, **settings: str
) -> Iterator[tuple[Deployment, AirflowApi, Store]]:
    """Everything but the workers; `charge` is what the fake embedder does before it answers."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root.chmod(0o755)
        store = stack.enter_context(served("tests.s3.moto_process"))
        store.bucket("rag")
        hosts = {
            "postgresql+psycopg2://airflow:unused@postgres/airflow": stack.enter_context(
                postgresql(root / "postgres", port + 1)
            ),
            "redis://redis:6379/0": stack.enter_context(redis(root / "redis", port + 2)),
            "http://api-server:8080": f"http://127.0.0.1:{port}",
            "/opt/state": str(root / "state"),
        }
        (root / "state").mkdir()
        (root / "state" / "passwords.json").write_text('{"admin": "unused"}')
        values = environment(root, port, hosts, store.connection()) | settings
        deployment = Deployment(root, port, values)
        copy_of_the_repository(deployment.copy, charge)
        deployment.init()
        stack.enter_context(started(deployment))
        yield deployment, AirflowApi(f"http://127.0.0.1:{port}", "admin", "unused"), store


def environment(root: Path, port: int, hosts: Mapping[str, str], s3: str) -> dict[str, str]:
    """That of the compose file's worker and of the Dockerfile, with this machine's places."""
    given = {
        "POSTGRES_PASSWORD": "unused", "AIRFLOW_CONN_RAG_S3": s3, "WORKER_CONCURRENCY": "1",
        "AIRFLOW_FERNET_KEY": "x" * 43 + "=", "AIRFLOW_JWT_SECRET": "unused" * 10, "RAG_WATCH": "none",
    }  # fmt: skip
    values: dict[str, str] = {}
    for name, value in SERVICES["worker"]["environment"].items():
        text = (
            given["AIRFLOW_CONN_RAG_S3"]
            if name == "AIRFLOW_CONN_RAG_S3"
            else interpolated(str(value), given)
        )
        for there, here in hosts.items():
            text = text.replace(there, here).replace(
                f"db+{there.replace('+psycopg2', '')}", f"db+{here}"
            )
        values[name] = text
    for name, value in re.findall(r"(AIRFLOW__\w+)=(\S.*?)\s*\\?$", dockerfile_environment(), re.M):
        values[name] = value.strip("'").replace("/opt/rag", str(root / "copy"))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAG_", "AIRFLOW", "AWS_"))}
    ours = {
        "AIRFLOW_HOME": str(root / "airflow"), "PYTHONPATH": str(root / "copy"),
        "AIRFLOW__API__PORT": str(port), "AIRFLOW__API__HOST": "127.0.0.1", "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(port + 3),
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        "RAG_ENV_FILE": "", "RAG_EMBEDDER": "fake:32", "RAG_CHUNK_TOKENS": "20",
        "RAG_CHUNK_OVERLAP_TOKENS": "0", "RAG_EMBED_BATCH_TEXTS": str(BATCH_TEXTS),
        "RAG_MAX_MAPPED_TASKS": "4", "FAULTS_REGISTER": str(root / "paid"), "NO_PROXY": "127.0.0.1",
        "AIRFLOW_VAR_RAG_BUDGETS": '{"max_delete_fraction": 1}',
    }  # fmt: skip
    return clean | values | ours


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """The compose file's `${NAME:-default}` and `${NAME:?message}`, filled in."""

    def value(found: re.Match[str]) -> str:
        return given.get(found[1], found[2] or "")

    return re.sub(r"\$\{([A-Z_0-9]+)(?::-([^}]*)|:\?[^}]*)?\}", value, text)


def dockerfile_environment() -> str:
    text = (ROOT / "Dockerfile").read_text()
    return text[text.rindex("ENV ") :]


def copy_of_the_repository(copy: Path, charge: str) -> None:
    left_out = shutil.ignore_patterns(".*", "data", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=left_out)
    shutil.copy(ROOT / ".airflowignore", copy)
    fake, charged = (
        copy / "include" / "embedding" / "fake.py",
        "        self.embedded.extend(texts)\n",
    )
    fake.write_text(fake.read_text().replace(charged, charge + charged, 1))


@contextmanager
def started(deployment: Deployment) -> Iterator[None]:
    try:
        deployment.start("api-server", SERVICES["api-server"]["command"])
        for name in ("dag-processor", "triggerer"):
            skip = " --skip-serve-logs" if name == "triggerer" else ""
            deployment.start(name, SERVICES[name]["command"] + skip)
        until(lambda: answers(deployment.port), 300)
        deployment.start("scheduler", SERVICES["scheduler"]["command"])
        yield
    finally:
        kept = os.environ.get("CELERY_RUN_LOGS")
        for name in reversed(list(deployment.running)):
            deployment.stop(name)
        if kept:
            shutil.copytree(deployment.root, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("copy", "postgres", "redis", "state"))  # fmt: skip


def measured(deployment: Deployment, airflow: AirflowApi, store: Store) -> dict[str, Any]:
    client, corpus = store.access().client, Corpus(deployment.root / "inbox", 60, 8)
    corpus.write()

    for file in corpus.folder.iterdir():
        client.put_object(Bucket="rag", Key=f"source/{file.name}", Body=file.read_bytes())
    until(lambda: knows(airflow, "ingest_documents") and knows(airflow, "sync_source"), 300)
    for dag in ("ingest_documents", "sync_source"):
        airflow.patch(f"/dags/{dag}", {"is_paused": False})
    say("healthy")
    # sync_source is overdue, finds the documents and wakes ingestion.
    until(lambda: paid_texts(deployment) > 3 * BATCH_TEXTS, 300)
    lost = worker_that_embeds(deployment)
    for process in psutil.Process(deployment.running[lost].pid).children(recursive=True):
        process.kill()
    deployment.stop(lost, signal.SIGKILL)
    say(f"killed {lost} after {paid_texts(deployment)} texts")
    until(lambda: len(ended(airflow)) >= 1, 420)
    twice = sum(count - 1 for count in paid(deployment.register).values())
    run = ended(airflow)[0]
    state = airflow.get(f"/dags/ingest_documents/dagRuns/{run}")["state"]
    return {
        "killed": lost,
        "after_the_kill": state,
        "embed_seconds": embed_seconds(airflow, run),
        "paid": paid_texts(deployment),
        "paid_again": twice,
        "nothing_lost": state == "success" and behind(deployment.environment) == 0,
    }


def paid_texts(deployment: Deployment) -> int:
    return sum(paid(deployment.register).values()) if deployment.register.exists() else 0


def worker_that_embeds(deployment: Deployment) -> str:
    """The name of the worker whose task was paid for last."""
    task = psutil.Process(int(deployment.register.with_name("paid.pid").read_text()))
    above = {process.pid for process in task.parents()}
    return next(name for name, process in deployment.running.items() if process.pid in above)


def behind(environment: Mapping[str, str]) -> int:
    from include.deployment import EnvironmentDeployment
    from include.stages.detect import detect

    chosen = {k: v for k, v in environment.items() if k.startswith(("RAG_", "AIRFLOW_"))}
    platform = Platform(Settings.from_environment(chosen), EnvironmentDeployment(chosen))
    options = platform.detect_options("integration", allow_deletions=True)
    artifacts = platform.artifacts("integration")
    changes = detect(list(platform.sources.values()), platform.tables, artifacts, options)
    assert changes.listed == 60
    return changes.added + changes.touched + changes.removed


def ended(airflow: AirflowApi) -> list[str]:
    runs = airflow.get("/dags/ingest_documents/dagRuns", state=["success", "failed"], limit=50)
    return [run["dag_run_id"] for run in runs["dag_runs"]]


def embed_seconds(airflow: AirflowApi, run: str) -> float:
    """From the start of the first embed task to the end of the last."""
    found = airflow.get(f"/dags/ingest_documents/dagRuns/{run}/taskInstances", limit=100)
    tasks = [each for each in found["task_instances"] if each["task_id"] == "embed"]
    starts, ends = (
        [datetime.fromisoformat(each[name]) for each in tasks]
        for name in ("start_date", "end_date")
    )
    return round((max(ends) - min(starts)).total_seconds(), 1)


def knows(airflow: AirflowApi, dag: str) -> bool:
    found = airflow.get("/dags", dag_id_pattern=dag, limit=5)
    return bool(found["total_entries"])


def answers(port: int) -> bool:
    try:
        return bool(AirflowApi(f"http://127.0.0.1:{port}").health())
    except UnreachableError:
        return False


def until(true: Callable[[], bool], seconds: float) -> None:
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.5)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
