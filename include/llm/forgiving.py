"""What a cache may do: fail. It is told, and the answer comes from where it would have come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from include.errors import PlatformError
from include.observability.log import warn

T = TypeVar("T")


def tried(act: Callable[[], T], told: str) -> T | None:
    """What `act` gives; None, and the sentence in the log, when the lake or Redis fails."""
    try:
        return act()
    except (PlatformError, OSError) as error:
        failed: Exception = error
    except Exception as error:
        if not type(error).__module__.startswith("redis."):
            raise
        failed = error
    warn(told.format(type(failed).__name__))
    return None
