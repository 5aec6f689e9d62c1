"""How many requests a key may make in a minute, at all servers that share a Redis or a machine."""

from __future__ import annotations

import time
from collections.abc import Callable

from limits import RateLimitItemPerMinute

from include.observability.log import warn
from include.spending.limiter import moving_windows
from include.spending.opening import windows_folder

Limit = Callable[[str], float | None]
"""Counts a request of the reader named; the seconds to wait where there are too many."""
_WINDOW = "http-api"


def rate_limit(requests_per_minute: int, redis_url: str | None) -> Limit | None:
    """The limit; None without one.

    Where requests cannot be counted they are let in: budgets hold all the same, and an outage of
    Redis should not be one of search.
    """
    if not requests_per_minute:
        return None
    windows = moving_windows(redis_url, windows_folder())
    item = RateLimitItemPerMinute(requests_per_minute)

    def limit(reader: str) -> float | None:
        try:
            if windows.hit(item, _WINDOW, reader):
                return None
            return max(
                1.0, windows.get_window_stats(item, _WINDOW, reader).reset_time - time.time()
            )
        except OSError as error:
            failed: Exception = error
        except Exception as error:
            if not type(error).__module__.startswith("redis."):
                raise
            failed = error
        warn(f"Requests cannot be counted ({type(failed).__name__}): they are let in.")
        return None

    return limit
