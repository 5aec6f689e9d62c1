"""A circuit breaker: an endpoint that keeps failing is left alone for a while.

Small enough to be our own: it has to know that a refusal for rate (429) is a sign of life, and it
must not swallow what the ledger has to see.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from include.errors import TransientError

FAILURES = 5
OPEN_SECONDS = 30.0


class CircuitBreaker:
    """Opens after so many failures in a row; then one trial after each pause decides."""

    def __init__(
        self,
        name: str,
        *,
        failures: int = FAILURES,
        open_seconds: float = OPEN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._most = failures
        self._pause = open_seconds
        self._clock = clock
        self._failed = 0
        self._closed_from = 0.0
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raises TransientError while the circuit is open; lets one trial through after a pause."""
        with self._lock:
            if self._failed < self._most:
                return
            left = self._closed_from - self._clock()
            if left > 0:
                raise TransientError(
                    f"The API at {self._name} failed {self._failed} times in a row and is left "
                    f"alone for another {left:.0f} s."
                )
            self._closed_from = self._clock() + self._pause

    def succeeded(self) -> None:
        """The endpoint gave an answer, or at least a sign of life."""
        with self._lock:
            self._failed = 0

    def failed(self) -> None:
        """The endpoint is down, slow or broken."""
        with self._lock:
            self._failed += 1
            self._closed_from = self._clock() + self._pause
