"""Requests and tokens per minute, shared by all workers: through Redis, or on one machine.

A call waits until both windows have room. The windows are a little longer than a minute, because
a request arrives later than it was counted, and never by the same delay.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from include.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from limits.strategies import MovingWindowRateLimiter

WINDOW_SECONDS = 61
"""A minute, and a second for what a request can take to arrive: 1.6 % of the limit."""
_PARTS = 1_000
_POLL_SECONDS = 1.0
_NAP_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Rates:
    """The most requests and tokens a minute, of one model at one endpoint; 0 is no limit."""

    requests: int = 0
    tokens: int = 0


class Limiter:
    """Makes calls wait. `windows` makes the strategy when the first limited call comes."""

    def __init__(
        self,
        rates: Rates,
        windows: Callable[[], MovingWindowRateLimiter],
        *,
        window_seconds: int = WINDOW_SECONDS,
    ) -> None:
        self._rates = rates
        self._windows = windows
        self._made: MovingWindowRateLimiter | None = None
        self._seconds = window_seconds

    @property
    def most_tokens(self) -> int | None:
        """The most tokens that one request may have; None without a limit."""
        return self._rates.tokens or None

    def wait(self, key: str, tokens: int) -> float:
        """Returns when one request of so many tokens may be sent; the seconds it waited.

        Raises ConfigurationError for a request of more tokens than the limit allows in a minute.
        """
        began = time.monotonic()
        # Tokens first: a request counted while its tokens wait would be lost for others.
        if self._rates.tokens:
            self._wait_tokens(key, tokens)
        if self._rates.requests:
            self._take(f"requests {key}", self._rates.requests, 1)
        return time.monotonic() - began

    def _wait_tokens(self, key: str, tokens: int) -> None:
        limit = self._rates.tokens
        if tokens > limit:
            raise ConfigurationError(
                f"RAG_LLM_TOKENS_PER_MINUTE is {limit}, and one request to {key} has {tokens} "
                f"tokens: it could never be sent. Raise the limit, or lower RAG_CHUNK_TOKENS."
            )
        # Redis keeps an entry for each unit, so a unit is a thousandth of the limit.
        unit = max(1, limit // _PARTS)
        self._take(f"tokens {key}", limit // unit, -(-tokens // unit))

    def _take(self, key: str, limit: int, amount: int) -> None:
        from limits import RateLimitItemPerSecond

        if self._made is None:
            self._made = self._windows()
        item = RateLimitItemPerSecond(limit, self._seconds)
        while not self._hit(item, key, min(amount, limit)):
            oldest = self._made.get_window_stats(item, key).reset_time - time.time()
            # Whoever waits longest is no surer to be next; the jitter keeps workers apart.
            jitter = random.random() * _NAP_SECONDS  # noqa: S311 - no secret
            time.sleep(min(max(oldest, 0.0), _POLL_SECONDS) + jitter)

    def _hit(self, item: object, key: str, amount: int) -> bool:
        assert self._made is not None
        try:
            return self._made.hit(item, key, cost=amount)  # type: ignore[arg-type]
        except OSError as error:
            raise _unreachable(error) from None
        except Exception as error:
            if type(error).__module__.startswith("redis."):
                raise _unreachable(error) from None
            raise


def _unreachable(error: Exception) -> TransientError:
    return TransientError(
        f"The rate limits are not reachable ({type(error).__name__}), so no model was called: see "
        f"that the server of RAG_REDIS_URL answers."
    )


def moving_windows(redis_url: str | None, folder: Path) -> MovingWindowRateLimiter:
    """The shared windows: in Redis where there is one, else in files of this machine."""
    from limits.storage import storage_from_string
    from limits.strategies import MovingWindowRateLimiter

    if redis_url:
        return MovingWindowRateLimiter(storage_from_string(redis_url))
    from include.spending.windows import FileStorage

    return MovingWindowRateLimiter(FileStorage(folder))
