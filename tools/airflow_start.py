"""Starting one local Airflow and ending it: never two, and nothing left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

from include.errors import ConfigurationError
from include.settings import Settings
from tools.airflow_api import AirflowApi, UnreachableError
from tools.airflow_home import HOST, REPOSITORY, AirflowHome, Running
from tools.console import RefusalError, StatusLine, say
from tools.environment import demo_settings, platform_environment
from tools.processes import Leader, end_session, port_is_free, port_owner

LONGEST_START_SECONDS = 420


def start(home: AirflowHome, *, port: int, demo: bool) -> tuple[Running, bool]:
    """Starts Airflow and waits until it is healthy; returns it and whether it was started now.

    An Airflow that runs already is returned as it is. Raises RefusalError when the port is taken, when
    the one that runs serves other documents, or when a component does not come up. Ctrl-C while
    waiting ends what was started.
    """
    with _exclusive(home):
        if running := alive(home):
            if running.demo != demo:
                raise RefusalError(
                    f"Airflow already runs with {documents_of(running.demo)} at {running.url}: "
                    "stop it first with `make down`."
                )
            _wait_until_healthy(home, running)
            return running, False
        sweep(home)
        environment = environment_for(home, demo=demo)
        _refuse_taken(port, demo)
        home.create(port=port)
        running = _launch(home, environment, port, demo)
        try:
            _wait_until_healthy(home, running)
        except BaseException:
            sweep(home)
            raise
    return running, True


def sweep(home: AirflowHome) -> int:
    """Ends every process of the remembered start, whoever of them is left; returns how many."""
    running = home.running()
    ended = end_session(Leader(running.pid, running.created)) if running else 0
    home.remember(None)
    return ended


def environment_for(home: AirflowHome, *, demo: bool) -> dict[str, str]:
    """The environment of Airflow and of commands on the same lake, its `RAG_*` values checked."""
    own = demo_settings(REPOSITORY) if demo else None
    environment = platform_environment(os.environ, home=home.path, repository=REPOSITORY, own=own)
    try:
        Settings.from_environment(environment)
    except ConfigurationError as error:
        raise RefusalError(f"{error} (from the shell or {REPOSITORY / '.env'})") from error
    _refuse_open_doors(environment)
    return environment


def _refuse_open_doors(environment: Mapping[str, str]) -> None:
    """Raises RefusalError when everybody who reaches this Airflow would be its administrator."""
    host = environment.get("AIRFLOW__API__HOST", HOST)
    everybody = environment.get("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "")
    on = everybody.strip().lower() in ("true", "t", "1")  # as Airflow reads it
    if on and host not in ("127.0.0.1", "::1", "localhost"):
        raise RefusalError(
            f"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS={everybody} together with "
            f"AIRFLOW__API__HOST={host} makes everybody who reaches this machine an administrator: "
            f"remove one of them from {REPOSITORY / '.env'}."
        )


def alive(home: AirflowHome) -> Running | None:
    """The Airflow that was started and still has its session leader."""
    running = home.running()
    return running if running and Leader(running.pid, running.created).is_alive() else None


def _refuse_taken(port: int, demo: bool) -> None:
    if not port_is_free(port):
        target = "demo" if demo else "up"
        raise RefusalError(
            f"Port {port} is used by {port_owner(port)}: stop it, or choose another port with "
            f"`make {target} PORT={port + 1}`."
        )


def _launch(home: AirflowHome, environment: Mapping[str, str], port: int, demo: bool) -> Running:
    say("Starting Airflow …")
    with (home.logs / "start.log").open("w") as log:
        # It waits for a line, so that nothing starts before it is written down who it is.
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.components"],
            cwd=REPOSITORY,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Running(process.pid, Leader.of(process.pid).created, port, demo)
    home.remember(running)
    with process.stdin as gate:  # type: ignore[union-attr]
        gate.write(b"go\n")
    return running


def _wait_until_healthy(home: AirflowHome, running: Running) -> None:
    """Returns when all components are healthy; RefusalError with the log when they do not get there."""
    line, began = StatusLine(), time.monotonic()
    leader, api = Leader(running.pid, running.created), AirflowApi(running.url)
    while (waited := time.monotonic() - began) < LONGEST_START_SECONDS:
        with contextlib.suppress(UnreachableError):
            health = api.health()
            if set(health.values()) == {"healthy"}:
                line.clear()
                return
        if not leader.is_alive():
            break
        line.show(f"Starting Airflow … {waited:.0f} s")
        time.sleep(0.3)
    line.clear()
    raise RefusalError(
        f"Airflow did not start; the end of its logs ({home.logs}):\n{_last_lines(home)}"
    )


def _last_lines(home: AirflowHome, count: int = 12) -> str:
    """The end of the log that was written last."""
    logs = sorted(home.logs.glob("*.log"), key=lambda path: path.stat().st_mtime)
    written = [path for path in logs if path.stat().st_size]
    lines = written[-1].read_text(errors="replace").splitlines()[-count:] if written else []
    return "\n".join(lines)


@contextlib.contextmanager
def _exclusive(home: AirflowHome) -> Iterator[None]:
    """Lets one start at a time through."""
    home.path.mkdir(mode=0o700, exist_ok=True)
    with (home.path / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusalError(
                "Another `make up` or `make demo` is starting Airflow here: wait for it to end, or stop it with `make down`."
            ) from None
        yield


def documents_of(demo: bool) -> str:
    """What an Airflow serves, in words."""
    return "the demo's documents" if demo else "your documents"
