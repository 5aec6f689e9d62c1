"""Processes and ports of this machine: who listens, who belongs to a session, and ending them all."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Leader:
    """The process whose session a group of processes shares; `created` tells it from a successor.

    `created` is in seconds since the epoch, as the operating system reports it.
    """

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Leader:
        """The running process `pid`, which must lead its session."""
        return cls(pid, psutil.Process(pid).create_time())

    def is_alive(self) -> bool:
        """Whether this very process runs (not a zombie, not a later one with the same number)."""
        try:
            process = psutil.Process(self.pid)
            return bool(process.status() != psutil.STATUS_ZOMBIE) and self._is_same(process)
        except psutil.Error:
            return False

    def members(self) -> list[psutil.Process]:
        """Every process of the session, also when the leader itself has died.

        A session's number is not given away while one of its processes lives, so another process
        with the leader's number means that nobody of the session is left.
        """
        with contextlib.suppress(psutil.Error):
            if not self._is_same(psutil.Process(self.pid)):
                return []
        return [process for process in psutil.process_iter() if _session(process.pid) == self.pid]

    def _is_same(self, process: psutil.Process) -> bool:
        return bool(abs(process.create_time() - self.created) < 1.0)


def end_session(leader: Leader, *, grace_seconds: float = 8.0) -> int:
    """Ends every process of the session except the caller; returns how many there were.

    Asks first (SIGTERM), insists after the grace (SIGKILL), and repeats until nobody is left, so
    processes started meanwhile are caught too.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + grace_seconds
    asked: set[int] = set()
    while members := [member for member in leader.members() if _is_running(member)]:
        for member in members:
            insist = time.monotonic() > deadline
            if insist or member.pid not in asked:
                _send(member, signal.SIGKILL if insist else signal.SIGTERM)
            asked.add(member.pid)
        ended |= {member.pid for member in members}
        psutil.wait_procs(members, timeout=0.3)
    return len(ended)


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def port_owner(port: int) -> str:
    """The listener as `name (pid 12)`, or `another program` where the system does not tell."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another program"


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)
