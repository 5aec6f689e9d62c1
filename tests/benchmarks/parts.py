"""CPU time by what a process was doing: its own, its threads' and, where it asks, its children's."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any


class Parts:
    """CPU seconds by name. Calls come one at a time and nest; a call's time is that of no other.

    Time of background threads goes to the call during which it was spent.
    """

    def __init__(self) -> None:
        self.own: Counter[str] = Counter()
        self.whole: Counter[str] = Counter()
        self.began = time.monotonic()
        self._open = ["rest"]
        self._mark = cpu_seconds()

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Counts calls of the method under a name; without the method nothing happens."""
        inner: Callable[..., Any] | None = getattr(owner, method, None)
        if inner is None:
            return

        def timed(*given: Any, **named: Any) -> Any:
            began = self._turn()
            self._open.append(name)
            try:
                return inner(*given, **named)
            finally:
                self.whole[name] += self._turn() - began
                self._open.pop()

        setattr(owner, method, timed)

    def begin(self) -> None:
        """Forgets what was counted so far."""
        self._turn()
        self.own.clear()
        self.whole.clear()
        self.began = time.monotonic()

    def total(self) -> float:
        """CPU seconds since the beginning."""
        self._turn()
        return sum(self.own.values())

    def _turn(self) -> float:
        now = cpu_seconds()
        self.own[self._open[-1]] += now - self._mark
        self._mark = now
        return now


def cpu_seconds() -> float:
    """User and system time of this process, all its threads, and the children it has waited for."""
    used = os.times()
    return time.process_time() + used.children_user + used.children_system
