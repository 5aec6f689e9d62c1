"""Starts and stops an Airflow on this machine: SQLite, LocalExecutor, reachable from here only.

python -m tools.local_airflow up [--demo] [--port N]
python -m tools.local_airflow down
python -m tools.local_airflow status
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from include.settings import Settings
from tools.airflow_api import AirflowApi, UnreachableError
from tools.airflow_home import REPOSITORY, USER, AirflowHome, Running
from tools.airflow_start import alive, documents_of, environment_for, start, sweep
from tools.console import RefusalError, duration, run_program, say

DEFAULT_PORT = 8080


def api_of(home: AirflowHome, running: Running) -> AirflowApi:
    """A client for the running Airflow."""
    return AirflowApi(running.url, USER, home.password())


def describe(home: AirflowHome, running: Running) -> str:
    """Where it is, who may log in, where it logs and how to stop it."""
    return (
        f"Airflow   {running.url}\n"
        f"login     {USER} / {home.password()}\n"
        f"logs      {home.logs}\n"
        "stop      make down"
    )


def up(home: AirflowHome, *, port: int, demo: bool) -> int:
    """`make up`: starts, or says that it runs, and how to use it."""
    if not demo:
        (REPOSITORY / "data" / "inbox").mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    running, now = start(home, port=port, demo=demo)
    say(
        f"Airflow started in {duration(time.monotonic() - began)}."
        if now
        else "Airflow is already running."
    )
    say(describe(home, running))
    if not demo:
        environment = environment_for(home, demo=False)
        say(f"source    {Settings.from_environment(environment).source.uris[0]}")
        say("Put documents there, then trigger `sync_source` in the UI; it also runs once a day.")
    return 0


def down(home: AirflowHome) -> int:
    """`make down`: ends everything that was started; fine when nothing runs."""
    if not home.path.is_dir() or home.running() is None:
        say("No local Airflow is running.")
        return 0
    say("Stopping Airflow …")
    ended = sweep(home)
    say(f"Stopped ({ended} processes)." if ended else "No local Airflow is running.")
    return 0


def status(home: AirflowHome) -> int:
    """Says what runs and how each component is; exit status 1 when something is not healthy."""
    running = alive(home)
    if running is None:
        say("No local Airflow is running: start it with `make up`.")
        return 0
    try:
        health = AirflowApi(running.url).health()
    except UnreachableError:
        health = {"api": "no answer"}
    say(f"{running.url} with {documents_of(running.demo)}")
    for component, state in health.items():
        say(f"  {component:15} {state}")
    return 0 if set(health.values()) == {"healthy"} else 1


def airflow(home: AirflowHome, arguments: Sequence[str]) -> NoReturn:
    """Becomes an `airflow` command that sees the local Airflow, whether it runs or not."""
    running = alive(home)
    environment = environment_for(home, demo=running is not None and running.demo)
    if running is None:
        home.create(port=DEFAULT_PORT)
        command = [sys.executable, "-m", "tools.prepare"]
        if subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode:
            raise RefusalError("The database could not be prepared; the reason is above.")
    os.chdir(REPOSITORY)
    os.execve(  # noqa: S606 - replaces this process, so signals and exit status are the command's
        sys.executable, [sys.executable, "-m", "airflow", *arguments], environment
    )


def main(arguments: Sequence[str]) -> int:
    """Reads the command line."""
    if arguments[:1] == ["airflow"]:
        airflow(AirflowHome(), arguments[1:])
    parser = argparse.ArgumentParser(
        prog="local_airflow", description="An Airflow on this machine."
    )
    parser.add_argument("command", choices=("up", "down", "status", "airflow"))
    parser.add_argument(
        "--demo", action="store_true", help="index the demo's documents instead of yours"
    )
    parser.add_argument("--port", default=os.environ.get("AIRFLOW_PORT") or str(DEFAULT_PORT))
    options = parser.parse_args(arguments)
    home = AirflowHome()
    if options.command == "up":
        return up(home, port=port_number(options.port), demo=options.demo)
    return down(home) if options.command == "down" else status(home)


def port_number(text: str) -> int:
    """A port a user may listen on; RefusalError otherwise."""
    if not text.isdigit() or not 1024 <= int(text) <= 65535:
        raise RefusalError(f"PORT should be a number from 1024 to 65535, is {text!r}.")
    return int(text)


if __name__ == "__main__":
    run_program(lambda: main(sys.argv[1:]), resume="make up")
