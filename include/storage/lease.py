"""A lease: one process at a time does what costs money twice if two do it; nothing else needs it.

The holder is an object of the lake, taken and renewed by conditional writes, so it works wherever
those do. No clocks are compared: whoever waits sees that the holder has not renewed for a while,
by its own clock, and takes its place. A holder that died on this machine is replaced at once.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from include.errors import CommitConflictError, LakeError, TransientError
from include.observability.log import warn
from include.storage.objects import ObjectStore, Stored

_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Lease:
    """What is leased, for whom (`owner` is for people), and after what silence it is lost."""

    objects: ObjectStore
    name: str
    owner: str
    silence_seconds: float = 30.0

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Holds the lease during the block; True when somebody else had to be waited for.

        It keeps two processes from doing the same work, not from doing harm: one that was stopped
        for longer than the silence may find that another has begun.
        """
        etag, waited = self._take()
        done = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(etag, done), daemon=True)
        renewing.start()
        try:
            yield waited
        finally:
            done.set()
            renewing.join()

    def _take(self) -> tuple[str, bool]:
        waited, seen, since = False, "", time.monotonic()
        while True:
            stored = self.objects.read(self._path)
            if stored and stored.etag != seen:
                seen, since = stored.etag, time.monotonic()
            silent = time.monotonic() - since > self.silence_seconds
            if stored is None or silent or _is_over(stored):
                with suppress(CommitConflictError):  # another one took it first
                    return self._write(stored.etag if stored else None, beat=1), waited
            elif not waited:
                waited = True
                warn(f"Waiting for {_read(stored).get('owner')!r}, which holds {self.name!r}.")
            time.sleep(_POLL_SECONDS)

    def _renew(self, etag: str, done: threading.Event) -> None:
        """Renews three times per silence until done, then gives the lease back."""
        beat = 1
        # Taken over, or the disk is full, which the work itself will meet and tell.
        with suppress(TransientError, LakeError):
            while not done.wait(self.silence_seconds / 3):
                beat += 1
                etag = self._renewed(etag, beat)
            self._write(etag, beat=0)

    def _renewed(self, etag: str, beat: int) -> str:
        """The etag after this beat; a beat that a busy store did not take is left out."""
        try:
            return self._write(etag, beat=beat)
        except CommitConflictError:
            raise
        except TransientError:
            return etag

    def _write(self, etag: str | None, *, beat: int) -> str:
        """Beat 0 says that the lease is free."""
        content = {"owner": self.owner, "machine": _machine(), "pid": os.getpid(), "beat": beat}
        return self.objects.write_if(self._path, json.dumps(content).encode(), etag)

    @property
    def _path(self) -> str:
        return f"leases/{self.name}.json"


def _is_over(stored: Stored) -> bool:
    """Whether the lease was given back, or its holder died on this machine."""
    content = _read(stored)
    if not content.get("beat"):
        return True
    return content.get("machine") == _machine() and not _lives(content.get("pid"))


def _read(stored: Stored) -> dict[str, object]:
    try:
        content = json.loads(stored.data)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _machine() -> str:
    """Names the machine, or the container: where a process number means one process."""
    with suppress(OSError):
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    return socket.gethostname()


def _lives(pid: object) -> bool:
    try:
        os.kill(int(str(pid)), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return True
