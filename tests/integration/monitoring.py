"""Prometheus, its rules and the statsd exporter of the compose file, beside a real API: as processes.

Files and commands are the compose file's; only addresses, places and waiting times differ. Airflow's own client
sends the metrics. It needs `prometheus` and `promtool` (Debian's `prometheus`), statsd_exporter, and the
package of docs/deployment/requirements-celery.txt that sends statsd:

    python -m tests.integration.monitoring [--exporter /path/to/statsd_exporter]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from include.deployment import EnvironmentDeployment
from include.settings import Settings
from include.wiring import Platform
from tests.serving.running import program

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENT = ROOT / "docs" / "deployment"
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
KEYS = {"RAG_API_KEYS": "reader-0123456789ab", "RAG_METRICS_KEY": "monitor-0123456789a"}
PATIENCE_SECONDS = 120.0
SEND = """
from datetime import timedelta
from airflow.configuration import conf
from airflow.observability import stats
from airflow.observability.metrics import statsd_logger
stats.initialize(factory=statsd_logger.get_statsd_logger,
                 export_legacy_names=conf.getboolean("metrics", "legacy_names_on"))
for name in ("scheduler", "dag_processor"):
    stats.incr(f"{name}_heartbeat", 1, 1)
run = {"dag_id": "sync_source", "run_type": "scheduled"}
stats.timing("dagrun.duration.success", timedelta(seconds=3), tags=run)
stats.timing("dagrun.duration.failed", timedelta(seconds=2), tags=run | {"dag_id": "ingest_documents"})
stats.gauge("dag_processing.import_errors", 0)
"""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--exporter", default=shutil.which("statsd_exporter") or "statsd_exporter")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        told("promtool", check(folder))
        api = stack.enter_context(serving(folder))
        web, statsd = free_port(), free_port(socket.SOCK_DGRAM)
        stack.enter_context(exporter(options.exporter, folder, web, statsd))
        send(folder, statsd)
        prometheus = stack.enter_context(
            watching(folder, {"api": api.url[7:], "airflow": f"127.0.0.1:{web}"})
        )
        until(lambda: len(up := targets(prometheus)) == 2 and set(up.values()) == {"up"})
        told("targets", targets(prometheus))
        until(lambda: {"DagRunFailed", "AirflowHeartbeatMissing"} <= set(firing(prometheus)))
        told("alerts of Airflow", firing(prometheus))
        told(
            "of the lake",
            query(prometheus, '{__name__=~"rag_index.*|rag_quarantined.*|rag_ready"}'),
        )
        told("of Airflow", query(prometheus, '{__name__=~"airflow_(dag_run|heart|dag_imp).*"}'))
        api.process.kill()
        until(lambda: "ApiDown" in firing(prometheus))
        told("alerts without the API", firing(prometheus))
    return 0


def told(what: str, found: object) -> None:
    print(f"{what}: {found if isinstance(found, str) else json.dumps(found, indent=1)}", flush=True)


def check(folder: Path) -> str:
    """What promtool says of the configuration, and of the rules in their tests."""
    configured = written(folder / "checked", {"api": "127.0.0.1:1", "airflow": "127.0.0.1:1"})
    tests = [f"tests/tools/{name}.yml" for name in ("alerts_test", "alerts_days_test")]
    parts = (["check", "config", str(configured)], ["test", "rules", *tests])
    return "".join(
        subprocess.run(["promtool", *part], cwd=ROOT, check=True, text=True, stdout=-1).stdout
        for part in parts
    )


def written(folder: Path, addresses: dict[str, str]) -> Path:
    """The configuration of the compose file with these targets, the key in a file, and no patience."""
    folder.mkdir(parents=True)
    configured = yaml.safe_load((DEPLOYMENT / "prometheus.yml").read_text())
    configured["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job in configured["scrape_configs"]:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [addresses[job["job_name"]]]}]
    (folder / "key").write_text(KEYS["RAG_METRICS_KEY"])
    configured["scrape_configs"][0]["authorization"]["credentials_file"] = str(folder / "key")
    rules = (DEPLOYMENT / "alerts.yml").read_text()
    (folder / "alerts.yml").write_text(re.sub(r"for: \d+m", "for: 2s", rules))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configured))
    return folder / "prometheus.yml"


@contextmanager
def serving(folder: Path) -> Iterator[Any]:
    """The API over a lake of one document, with keys."""
    (folder / "inbox").mkdir()
    (folder / "inbox" / "one.md").write_text("# Retry\n\nRetries failing calls.\n")
    world = {
        "RAG_SOURCE_URI": (folder / "inbox").as_uri(),
        "RAG_LAKE_URI": (folder / "lake").as_uri(),
        "RAG_EMBEDDER": "fake:32",
        "RAG_ENV_FILE": "",
    } | KEYS
    command = [sys.executable, "-m", "include", "sync"]
    subprocess.run(command, cwd=ROOT, env=os.environ | world, check=True)
    platform = Platform(Settings.from_environment(world), EnvironmentDeployment(world))
    with program(platform, world) as api:
        yield api


@contextmanager
def exporter(path: str, folder: Path, web: int, statsd: int) -> Iterator[None]:
    mapping = SERVICES["statsd-exporter"]["volumes"][0].split(":")
    command = SERVICES["statsd-exporter"]["command"].replace(mapping[1], str(ROOT / mapping[0]))
    here = [f"--web.listen-address=127.0.0.1:{web}", f"--statsd.listen-udp=127.0.0.1:{statsd}"]
    with running([path, command, *here, "--statsd.listen-tcp="], folder / "exporter.log"):
        until(lambda: httpx.get(f"http://127.0.0.1:{web}/-/healthy").is_success)
        yield


@contextmanager
def watching(folder: Path, addresses: dict[str, str]) -> Iterator[str]:
    """The address of a Prometheus."""
    port = free_port()
    command = [
        "prometheus", f"--config.file={written(folder / 'prometheus', addresses)}",
        f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with running(command, folder / "prometheus.log"):
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/-/ready").is_success)
        yield f"http://127.0.0.1:{port}/api/v1"


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def send(folder: Path, port: int) -> None:
    """Lets Airflow send as the compose file tells it."""
    told_by_compose = SERVICES["scheduler"]["environment"]
    metrics = {name: value for name, value in told_by_compose.items() if "__METRICS__" in name}
    here = {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(port),
        "AIRFLOW_HOME": str(folder / "airflow"),
    }
    subprocess.run([sys.executable, "-c", SEND], env=os.environ | metrics | here, check=True)


def targets(prometheus: str) -> dict[str, str]:
    found = httpx.get(f"{prometheus}/targets").json()["data"]["activeTargets"]
    return {each["labels"]["job"]: each["health"] for each in found}


def firing(prometheus: str) -> dict[str, str]:
    found = httpx.get(f"{prometheus}/alerts").json()["data"]["alerts"]
    return {
        each["labels"]["alertname"]: each["annotations"]["summary"]
        for each in found
        if each["state"] == "firing"
    }


def query(prometheus: str, expression: str) -> dict[str, str]:
    found = httpx.get(f"{prometheus}/query", params={"query": expression}).json()["data"]["result"]
    return {
        f"{each['metric'].pop('__name__')} {each['metric']}": each["value"][1] for each in found
    }


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if true():
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > end:
            raise SystemExit(f"Waited for {PATIENCE_SECONDS:g} s in vain.")
        time.sleep(0.2)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
