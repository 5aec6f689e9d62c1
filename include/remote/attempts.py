"""A call with retries: only for what is transient, as long as the server asks, each in the ledger."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from include.errors import TransientError
from include.remote.breaker import CircuitBreaker
from include.remote.client import Client
from include.spending.account import Account, Answered, CallError, Paid
from include.spending.entries import Purpose
from include.spending.prices import Tokens

T = TypeVar("T")
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 20.0


class Remote:
    """An endpoint, paid from an account; one for all models behind it in this process."""

    def __init__(
        self,
        client: Client,
        account: Account,
        *,
        sleep: Callable[[float], None] = time.sleep,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self.client = client
        self.endpoint = client.endpoint
        self.account = account
        self._sleep = sleep
        self._breaker = breaker or CircuitBreaker(client.endpoint.name)

    def close(self) -> None:
        """Closes the connections; the next call opens new ones."""
        self.client.close()

    def call(
        self,
        purpose: Purpose,
        most: Tokens,
        send: Callable[[str], Answered[T]],
        *,
        tries: int | None = None,
    ) -> Paid[T]:
        """The answer to one request, tried again while that makes sense.

        Raises what the last attempt met: TransientError, ConfigurationError, ModelError,
        BudgetError.
        """
        last = (tries or self.endpoint.tries) - 1
        for retry in range(last + 1):
            self._breaker.check()
            try:
                paid = self.account.pay(purpose, most, send, retry=retry)
            except CallError as failure:
                self._note(failure)
                if retry == last or not isinstance(failure.error, TransientError):
                    raise failure.error from None
                self._sleep(_wait(failure, retry))
            else:
                self._breaker.succeeded()
                return paid
        raise AssertionError("tries is at least 1")

    def _note(self, failure: CallError) -> None:
        # Whoever refuses is alive.
        down = isinstance(failure.error, TransientError) and failure.kind != "status 429"
        (self._breaker.failed if down else self._breaker.succeeded)()


def _wait(failure: CallError, retry: int) -> float:
    """What the server asks for and a little more, or twice as long each time; never in step."""
    jitter = random.random()  # noqa: S311 - no secret
    if failure.retry_after is not None:
        return failure.retry_after * (1 + 0.1 * jitter)
    return min(_LONGEST_WAIT, _FIRST_WAIT * float(2**retry)) * (0.5 + 0.5 * jitter)
