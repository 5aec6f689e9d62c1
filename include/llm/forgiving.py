"""What a cache may do: fail to answer. It is told, and the answer comes from where it would have.

What it may not do is to fail to forget: then whoever asked for it has to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from include.errors import PlatformError, TransientError
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


def forgotten(clear: Callable[[], int], what: str) -> int:
    """How many `clear` forgot. Raises TransientError when Redis cannot be reached for it."""
    try:
        return clear()
    except Exception as error:
        if not type(error).__module__.startswith("redis."):
            raise
        raise TransientError(
            f"Redis could not be told to forget {what} ({type(error).__name__}), and may hold some "
            f"still. Make the server of RAG_REDIS_URL reachable, and run this again."
        ) from error
