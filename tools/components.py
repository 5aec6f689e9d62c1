"""The session leader of the local Airflow: imports Airflow once, then forks its four components.

Forking after the imports costs a third of the CPU time of four separate `airflow` commands and
shares their memory. The API server is waited for before the scheduler starts, because a task that
cannot report fails. A component that dies is started again; SIGTERM or SIGINT ends everything, and
on Linux the components end when this process is killed.

    python -m tools.components        (started by tools.local_airflow, in its own session)
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tools.airflow_api import AirflowApi, UnreachableError
from tools.airflow_home import AirflowHome
from tools.console import say
from tools.forking import fork, wait_for
from tools.prepare import prepare_database
from tools.processes import Leader, end_session

BEFORE_THE_SCHEDULER = {
    "api-server": ("api-server",),
    "dag-processor": ("dag-processor",),
    # Logs are read from the disk; serving them over HTTP would listen on all interfaces.
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
SCHEDULER = {"scheduler": ("scheduler", "--skip-serve-logs")}
COMMANDS = BEFORE_THE_SCHEDULER | SCHEDULER

PRELOADED = (
    "airflow.__main__",
    "airflow.cli.commands.api_server_command",
    "airflow.cli.commands.dag_processor_command",
    "airflow.cli.commands.scheduler_command",
    "airflow.cli.commands.triggerer_command",
    "airflow.executors.local_executor",
    "airflow.api_fastapi.core_api.app",
    "airflow.api_fastapi.core_api.routes.public",
    "airflow.api_fastapi.core_api.routes.ui",
    "airflow.api_fastapi.execution_api.app",
    "airflow.api_fastapi.execution_api.routes",
)
LONGEST_START_SECONDS = 300
QUICK_DEATHS_ALLOWED = 3
QUICK_SECONDS = 20


class Session:
    """The components that run, by process id, and when each was started."""

    def __init__(self, home: AirflowHome) -> None:
        self._home = home
        self._running: dict[int, tuple[str, float]] = {}
        self._quick_deaths = 0

    def start(self, names: Iterable[str]) -> None:
        """Forks the components named."""
        for name in names:
            pid = fork(partial(run_component, COMMANDS[name]), self._home.logs, name)
            self._running[pid] = (name, time.monotonic())
            say(f"{name}: started as process {pid}")

    def restart_dead(self) -> None:
        """Starts again what ended; gives up after three deaths within seconds of their start."""
        for pid, (name, since) in list(self._running.items()):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                continue
            del self._running[pid]
            quick = time.monotonic() - since < QUICK_SECONDS
            self._quick_deaths = self._quick_deaths + 1 if quick else 0
            if self._quick_deaths >= QUICK_DEATHS_ALLOWED:
                raise SystemExit(f"{name} keeps ending right after its start")
            say(f"{name}: process {pid} ended, starting it again")
            time.sleep(2)
            self.start([name])


def main() -> int:
    """Prepares the database, starts the components, and keeps them until a signal."""
    if not sys.stdin.readline():
        return 1  # whoever started this died before writing down that it runs
    home = AirflowHome(Path(os.environ["AIRFLOW_HOME"]))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        preload()
        if wait_for(fork(prepare_database, home.logs, "prepare")) != 0:
            say("prepare: the database could not be prepared")
            return 1
        session = Session(home)
        session.start(BEFORE_THE_SCHEDULER)
        wait_for_api(home, session)
        session.start(SCHEDULER)
        while True:
            time.sleep(1)
            session.restart_dead()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        end_session(Leader.of(os.getpid()))
        say("stopped")


def preload() -> None:
    """Imports what the components have in common; opens no database connection and no thread."""
    began = time.process_time()
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # keeps the collector from touching, and so copying, shared memory
    say(f"imported Airflow in {time.process_time() - began:.1f} CPU s")


def run_component(command: tuple[str, ...]) -> int:
    """Runs one `airflow` command in this process."""
    from airflow.__main__ import main as airflow_main

    sys.argv = ["airflow", *command]
    airflow_main()  # type: ignore[no-untyped-call]
    return 0


def wait_for_api(home: AirflowHome, session: Session) -> None:
    """Returns when the API answers."""
    running = home.running()
    api = AirflowApi(running.url if running else "")
    for _ in range(LONGEST_START_SECONDS * 4):
        with suppress(UnreachableError):
            api.health()
            return
        session.restart_dead()
        time.sleep(0.25)
    raise SystemExit(f"the API did not answer within {LONGEST_START_SECONDS} seconds")


def _leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
