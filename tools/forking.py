"""Forks children that keep a log, have a name, and do not outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def fork(body: Callable[[], int], logs: Path, name: str) -> int:
    """Runs `body` in a child that logs to `<name>.log` and dies with its parent; returns its id."""
    parent = os.getpid()
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _die_with(parent)
        _log_to(logs / f"{name}.log")
        _show_as(f"airflow {name}")
        status = body()
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except BaseException:  # noqa: BLE001 - the child must not return into its parent's code
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(status)


def wait_for(pid: int) -> int:
    """The exit status of a child."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _log_to(path: Path) -> None:
    """Sends stdout and stderr to the component's log; the previous start's log is kept beside it."""
    if path.exists():
        path.replace(path.with_suffix(".log.1"))
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _show_as(title: str) -> None:
    """Names the process in `ps`; on macOS the library that does it is not safe after a fork."""
    if sys.platform == "linux":
        from setproctitle import setproctitle

        setproctitle(title)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
