"""Scenarios in processes of their own: one after the other, or taking turns on the machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULE = "tests.benchmarks.scenarios"
Json = dict[str, Any]


def run(scenario: str, environment: Mapping[str, str] | None = None, **values: object) -> Json:
    """The scenario's result, with `process_cpu`: all CPU seconds of its process, start to end."""
    return turns([(scenario, values)], environment=environment)[0]


def turns(
    scenarios: Sequence[tuple[str, Mapping[str, object]]],
    *,
    environment: Mapping[str, str] | None = None,
    seconds: float = 10.0,
) -> list[Json]:
    """Runs the scenarios in alternation, each for some seconds while the others are stopped.

    Whatever else the machine does then hits all of them alike, and each has it to itself while
    it runs. CPU seconds are those of the processes, so that being stopped costs nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / str(number) for number in range(len(scenarios))]
        started = [
            _start(name, values, output, environment)
            for (name, values), output in zip(scenarios, outputs, strict=True)
        ]
        cpu = _alternate([process.pid for process in started], seconds)
        return [
            {**_answer(output, name), "process_cpu": cpu[process.pid]}
            for (name, _), output, process in zip(scenarios, outputs, started, strict=True)
        ]


def _start(
    name: str, values: Mapping[str, object], output: Path, environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAG_", "AIRFLOW_VAR_"))}
    return subprocess.Popen(
        [sys.executable, "-m", MODULE, name, json.dumps(values)],
        stdout=output.open("wb"),
        stderr=output.with_suffix(".err").open("wb"),
        cwd=ROOT,
        env=clean | {"HF_HUB_OFFLINE": "1"} | dict(environment or {}),
    )


def _alternate(running: list[int], seconds: float) -> dict[int, float]:
    """CPU seconds of each process, once all have ended."""
    cpu: dict[int, float] = {}
    if len(running) > 1:
        for process in running:
            os.kill(process, signal.SIGSTOP)
    while running:
        for process in list(running):
            alone = len(running) == 1
            os.kill(process, signal.SIGCONT)
            if (used := _wait(process, None if alone else seconds)) is not None:
                cpu[process] = used
                running.remove(process)
            else:
                os.kill(process, signal.SIGSTOP)
    return cpu


def _wait(process: int, seconds: float | None) -> float | None:
    """The CPU seconds of the process if it ends in that time; waits without end for None."""
    deadline = time.monotonic() + (seconds or 0)
    while True:
        ended, _, used = os.wait4(process, os.WNOHANG if seconds else 0)
        if ended:
            return used.ru_utime + used.ru_stime
        if time.monotonic() > deadline:
            return None
        time.sleep(0.05)


def _answer(output: Path, name: str) -> Json:
    lines = output.read_text().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise SystemExit(
            f"Scenario {name} failed:\n{output.with_suffix('.err').read_text()[-3000:]}"
        )
    answer: Json = json.loads(lines[-1])
    return answer
