"""A lease: one run at a time does what costs money twice if two do it; nothing else needs it.

The holder is an object of the lake, taken and renewed by conditional writes, so it works wherever
those do. A run may hold it in several processes at once, as its mapped tasks do: each is a member
and renews for itself. No clocks are compared: whoever waits sees that nobody has renewed for a
while, by its own clock, and takes their place. A member that died on this machine counts no more.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from include.errors import CommitConflictError, LakeError, TransientError
from include.observability.log import warn
from include.storage.conflicts import persistently
from include.storage.objects import ObjectStore

_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Lease:
    """What is leased, for whom, and after what silence it is lost.

    Processes of the same `owner`, a run, hold it together; its name is also for people.
    """

    objects: ObjectStore
    name: str
    owner: str
    silence_seconds: float = 30.0

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Holds the lease during the block; True when another owner had to be waited for.

        It keeps two runs from doing the same work, not from doing harm: one that was stopped
        for longer than the silence may find that another has begun.
        """
        member = f"{_machine()} {os.getpid()} {secrets.token_hex(4)}"
        waited = self._take(member)
        done = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(member, done), daemon=True)
        renewing.start()
        try:
            yield waited
        finally:
            done.set()
            renewing.join()

    def _take(self, member: str) -> bool:
        waited, seen, since = False, "", time.monotonic()
        while True:
            holder = self._read()
            if holder.etag != seen:
                seen, since = holder.etag or "", time.monotonic()
            silent = time.monotonic() - since > self.silence_seconds
            if holder.owner == self.owner or silent or holder.is_over:
                with suppress(CommitConflictError):  # somebody came first: look again
                    self._write(holder.joined(self.owner, member))
                    return waited
            elif not waited:
                waited = True
                warn(f"Waiting for {holder.owner!r}, which holds {self.name!r}.")
            time.sleep(_POLL_SECONDS)

    def _renew(self, member: str, done: threading.Event) -> None:
        """Renews three times per silence until done, then leaves."""
        # Taken over, or the disk is full, which the work itself will meet and tell.
        with suppress(TransientError, LakeError, _TakenOverError):
            while not done.wait(self.silence_seconds / 3):
                with suppress(TransientError):  # a busy store: this beat is left out
                    self._change(lambda holder: holder.joined(self.owner, member))
            self._change(lambda holder: holder.left(member))

    def _change(self, step: Callable[[_Holder], _Holder]) -> None:
        def attempt() -> None:
            holder = self._read()
            if holder.owner != self.owner:
                raise _TakenOverError
            self._write(step(holder))

        persistently(attempt)

    def _read(self) -> _Holder:
        stored = self.objects.read(self._path)
        if stored is None:
            return _Holder(None, "", {})
        try:
            content = json.loads(stored.data)
            members = {str(name): int(beat) for name, beat in content["members"].items()}
            return _Holder(stored.etag, str(content["owner"]), members)
        except (ValueError, TypeError, KeyError, AttributeError):
            # Whoever holds it is not to be told from this: only silence ends it.
            return _Holder(stored.etag, "", {"?": 0})

    def _write(self, holder: _Holder) -> None:
        content = {"owner": holder.owner, "members": holder.members}
        self.objects.write_if(self._path, json.dumps(content).encode(), holder.etag)

    @property
    def _path(self) -> str:
        return f"leases/{self.name}.json"


class _TakenOverError(Exception):
    """Another owner has the lease."""


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who holds a lease: the owner, and how often each of its members has renewed."""

    etag: str | None
    owner: str
    members: Mapping[str, int]

    @property
    def is_over(self) -> bool:
        """Whether all members have left, or died on this machine."""
        return not any(map(_may_live, self.members))

    def joined(self, owner: str, member: str) -> _Holder:
        """With one more beat of this member; members of another owner are gone."""
        members = dict(self.members) if owner == self.owner else {}
        living = {name: beat for name, beat in members.items() if _may_live(name)}
        return _Holder(self.etag, owner, living | {member: living.get(member, 0) + 1})

    def left(self, member: str) -> _Holder:
        """Without this member."""
        rest = {name: beat for name, beat in self.members.items() if name != member}
        return replace(self, members=rest)


def _may_live(member: str) -> bool:
    """False only for a process of this machine that is no more."""
    machine, _, rest = member.rpartition(" ")[0].rpartition(" ")
    return machine != _machine() or _lives(rest)


def _machine() -> str:
    """Names the machine, or the container: where a process number means one process."""
    with suppress(OSError):
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    return socket.gethostname()


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return True
