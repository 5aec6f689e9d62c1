"""A call with retries: only for what is transient, as long as the server asks, each in the ledger."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeVar

from include.errors import TransientError
from include.remote.breaker import CircuitBreaker
from include.remote.client import Client
from include.spending.account import Account, Answered, CallError, Paid
from include.spending.entries import Purpose, new_call_id
from include.spending.prices import Tokens

if TYPE_CHECKING:
    from include.remote.client import Request

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
        return self._persistently(
            lambda retry: self.account.pay(purpose, most, send, retry=retry),
            tries or self.endpoint.tries,
        )

    def ask(self, request: Request[T], *, none_for: Collection[int] = ()) -> T | None:
        """The answer to a request that costs nothing and is not in the ledger, tried again likewise.

        None where the server answers with one of the statuses `none_for`.
        """

        def attempt(_: int) -> T | None:
            try:
                return self.client.send(new_call_id(self.account.clock()), request)
            except CallError as failure:
                if failure.status in none_for:
                    return None
                raise

        return self._persistently(attempt, self.endpoint.tries)

    def _persistently(self, attempt: Callable[[int], T], tries: int) -> T:
        last = tries - 1
        for retry in range(tries):
            self._breaker.check()
            try:
                answer = attempt(retry)
            except CallError as failure:
                self._note(failure)
                if retry == last or not isinstance(failure.error, TransientError):
                    raise failure.error from None
                self._sleep(_wait(failure, retry))
            else:
                self._breaker.succeeded()
                return answer
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
