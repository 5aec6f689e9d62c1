"""Trying again when another writer committed first."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from include.errors import CommitConflictError

T = TypeVar("T")

_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 0.1


def persistently(step: Callable[[], T]) -> T:
    """Runs the step until no other writer comes first; it must start from the newest state.

    Raises CommitConflictError, to be tried again later, after eight attempts in about 13 s. The
    pauses are drawn at random: writers that met once would meet again after equal ones.
    """
    for attempt in range(_ATTEMPTS - 1):
        try:
            return step()
        except CommitConflictError:
            spread = random.uniform(0, 2)  # noqa: S311 - no secret
            time.sleep(_FIRST_PAUSE_SECONDS * 2**attempt * spread)
    return step()
