"""Kills task processes and the scheduler of a running local Airflow in the middle of embedding.

    python -m tests.faults.airflow_kills [--port 8099] [--seconds 300]

A copy of the repository, in which the fake embedder writes down what it is paid for, runs its own
Airflow with its own source and lake. Each round changes documents, starts `ingest_documents`, kills
what the round is about, and waits for a run that succeeds: Airflow's retry, or one more run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.settings import Settings
from include.wiring import Platform
from tests.faults.corpus import Corpus
from tests.faults.lakes import chunks, manifest, versions
from tests.faults.paying import paid
from tests.faults.reader import Versions, read
from tests.faults.roles import Child
from tools.airflow_api import AirflowApi, RefusedError, UnreachableError
from tools.airflow_home import USER, AirflowHome

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = ("task", "scheduler", "task", "task", "scheduler", "task")
BATCH_TEXTS = 16
_REGISTERED = """
        import os, time
        from pathlib import Path
        from tests.faults.paying import write_down
        from include.documents import text_hash
        if place := os.environ.get("FAULTS_REGISTER"):
            Path(place + ".pid").write_text(str(os.getpid()))
            write_down(Path(place), [text_hash(text) for text in texts])
            time.sleep(0.4)
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """The copy with its Airflow, source, lake and register."""

    root: Path
    port: int
    seconds: float

    @property
    def copy(self) -> Path:
        return self.root / "copy"

    @property
    def corpus(self) -> Corpus:
        return Corpus(self.root / "inbox", 60, 8)

    @property
    def register(self) -> Path:
        return self.root / "paid"

    def environment(self, lake: str) -> dict[str, str]:
        return {
            "RAG_ENV_FILE": "",
            "RAG_SOURCE_URI": self.corpus.folder.as_uri(),
            "RAG_LAKE_URI": (self.root / lake).as_uri(),
            "RAG_EMBEDDER": "fake:32",
            "RAG_CHUNK_TOKENS": "20",
            "RAG_CHUNK_OVERLAP_TOKENS": "0",
            "RAG_EMBED_BATCH_TEXTS": str(BATCH_TEXTS),
        }

    def build(self) -> None:
        left_out = shutil.ignore_patterns(".*", "data", "__pycache__")
        shutil.copytree(ROOT, self.copy, ignore=left_out)
        shutil.copy(ROOT / ".airflowignore", self.copy)
        fake = self.copy / "include" / "embedding" / "fake.py"
        charged = "        self.embedded.extend(texts)\n"
        source = fake.read_text()
        assert charged in source
        fake.write_text(source.replace(charged, _REGISTERED + charged, 1))
        self.corpus.write()
        self.run("include", "sync", lake="lake")

    def run(self, *module: str, lake: str, register: bool = False) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAG_", "AIRFLOW"))}
        extra = {"FAULTS_REGISTER": str(self.register)} if register else {}
        subprocess.run(
            [sys.executable, "-m", *module],
            cwd=self.copy,
            env=clean | self.environment(lake) | extra,
            check=True,
        )

    def airflow(self, command: str) -> None:
        port = ["--port", str(self.port)] if command == "up" else []
        self.run("tools.local_airflow", command, *port, lake="lake", register=True)

    @property
    def home(self) -> AirflowHome:
        return AirflowHome(self.copy / ".airflow", self.copy)

    def api(self) -> AirflowApi:
        return AirflowApi(f"http://127.0.0.1:{self.port}", USER, self.home.password())

    def platform(self, lake: str) -> Platform:
        return Platform(Settings.from_environment(self.environment(lake)))

    def unpause(self) -> None:
        """Waits until Airflow has read the Dag."""
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                self.api().patch("/dags/ingest_documents", {"is_paused": False})
                return
            except (UnreachableError, RefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(2)

    def trigger(self) -> str:
        body: dict[str, Any] = {"logical_date": None, "conf": {}}
        return str(self.api().post("/dags/ingest_documents/dagRuns", body)["dag_run_id"])

    def state(self, run: str) -> str:
        try:
            return str(self.api().get(f"/dags/ingest_documents/dagRuns/{run}")["state"])
        except (UnreachableError, RefusedError):
            return "unknown"

    def wait(self, run: str) -> str:
        """The run's final state; "unfinished" after `seconds`."""
        deadline = time.monotonic() + self.seconds
        while time.monotonic() < deadline:
            if (state := self.state(run)) in ("success", "failed"):
                return state
            time.sleep(1)
        return "unfinished"

    def victim(self, kind: str) -> int:
        """The process that embeds, or the scheduler."""
        if kind == "task":
            return int(self.register.with_name("paid.pid").read_text())
        log = (self.home.logs / "start.log").read_text()
        return int(re.findall(r"scheduler: started as process (\d+)", log)[-1])


def one_round(stage: Stage, number: int, kind: str) -> dict[str, Any]:
    """Changes, starts, kills, waits; what came of it."""
    before, known = versions(stage.platform("lake")), set(paid(stage.register))
    stage.corpus.rewrite(f"round {number}", later=number)
    stage.run("include", "sync", lake=f"fresh-{number}")
    fresh = stage.platform(f"fresh-{number}")
    documents = fresh.tables.documents.read(["id", "key"])
    words = {name: key.removesuffix(".txt") for name, key in documents.iter_rows()}
    stop, output = stage.root / f"stop-{number}", stage.root / f"reader-{number}.log"
    child = Child(stage.environment("lake"), stage.root / "unused", output)
    seen = Versions(before, versions(fresh), words)
    reader = multiprocessing.get_context("spawn").Process(target=read, args=(child, seen, stop))
    reader.start()
    began, run = time.monotonic(), stage.trigger()
    paid_before = paid(stage.register).total()
    while paid(stage.register).total() < paid_before + 2 * BATCH_TEXTS:
        time.sleep(0.05)
        if time.monotonic() - began > stage.seconds:
            raise SystemExit(f"Round {number}: {run} embeds nothing; it is {stage.state(run)}.")
    os.kill(stage.victim(kind), signal.SIGKILL)
    states = [stage.wait(run)]
    if states[-1] != "success":
        states.append(stage.wait(stage.trigger()))
    stop.touch()
    reader.join()
    counts = paid(stage.register)
    lake = stage.platform("lake")
    return {
        "round": number,
        "killed": kind,
        "runs": states,
        "converged": chunks(lake).equals(chunks(fresh)) and manifest(lake).equals(manifest(fresh)),
        "paid_twice": sum(count - 1 for name, count in counts.items() if name not in known),
        "reader": json.loads(output.with_suffix(".json").read_text()),
        "seconds": round(time.monotonic() - began),
    }


def main() -> int:
    """Runs the rounds and prints one JSON line each; status 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--seconds", type=float, default=300, help="the longest a run may take")
    chosen, broken = parser.parse_args(), 0
    with tempfile.TemporaryDirectory(prefix="airflow-kills-") as folder:
        stage = Stage(Path(folder), chosen.port, chosen.seconds)
        stage.build()
        try:
            stage.airflow("up")
            stage.unpause()
            for number, kind in enumerate(ROUNDS, 1):
                result = one_round(stage, number, kind)
                print(json.dumps(result), flush=True)
                good = result["converged"] and not result["reader"]["wrong"]
                broken += not (good and result["paid_twice"] <= BATCH_TEXTS)
        finally:
            stage.airflow("down")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
