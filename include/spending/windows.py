"""A rate limiter's memory in files: shared by the processes of one machine, without a server.

`limits` keeps its windows in Redis or in one process; this is a storage for it in between. A
window is a file of (time, amount) pairs, changed under `flock`, which a dying process releases.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from limits.storage import Storage
from limits.storage.base import MovingWindowSupport

from include.documents import digest
from include.storage.files import lake_errors

_PAIR = np.dtype([("at", "<f8"), ("amount", "<i8")])


class FileStorage(Storage, MovingWindowSupport):
    """Moving windows only; counters are not needed here."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(None, wrap_exceptions=False)
        self._folder = folder
        self._clock = clock

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a broken storage raises."""
        return OSError

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Counts the amount if the window has room for it."""
        with self._window(key) as (descriptor, pairs):
            now = self._clock()
            kept = _within(pairs, now, expiry)
            if int(kept["amount"].sum()) + amount > limit:
                return False
            data = np.append(kept, np.array([(now, amount)], _PAIR)).tobytes()
            os.pwrite(descriptor, data, 0)
            os.ftruncate(descriptor, len(data))
            return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002 - the library's signature
        """When the oldest entry in the window was made, and how much the window holds."""
        with self._window(key) as (_, pairs):
            now = self._clock()
            kept = _within(pairs, now, expiry)
            return (float(kept["at"].min()) if len(kept) else now), int(kept["amount"].sum())

    def check(self) -> bool:
        """Whether the folder can be written."""
        return os.access(self._folder, os.W_OK)

    def clear(self, key: str) -> None:
        """Forgets one window."""
        self._path(key).unlink(missing_ok=True)

    def reset(self) -> int | None:
        """Forgets every window."""
        files = list(self._folder.glob("*.window"))
        for file in files:
            file.unlink(missing_ok=True)
        return len(files)

    def incr(self, key: str, expiry: float, amount: int = 1, **_: Any) -> int:
        """Not offered: moving windows only."""
        raise NotImplementedError

    def get(self, key: str) -> int:
        """Not offered: moving windows only."""
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        """Not offered: moving windows only."""
        raise NotImplementedError

    def _path(self, key: str) -> Path:
        return self._folder / f"{digest('window', key)}.window"

    @contextmanager
    def _window(self, key: str) -> Iterator[tuple[int, Any]]:
        path = self._path(key)
        with lake_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            raw = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
            whole = len(raw) - len(raw) % _PAIR.itemsize
            yield descriptor, np.frombuffer(raw[:whole], _PAIR)
        finally:
            os.close(descriptor)


def _within(pairs: Any, now: float, expiry: int) -> Any:
    """Those of the window; what lies further ahead than one is of before the clock was set back."""
    return pairs[(pairs["at"] > now - expiry) & (pairs["at"] <= now + expiry)]
