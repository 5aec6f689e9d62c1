"""The circuit breaker, by a clock that the test turns."""

from __future__ import annotations

import pytest

from include.errors import TransientError
from include.remote.breaker import CircuitBreaker


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def breaker(clock: list[float]) -> CircuitBreaker:
    return CircuitBreaker("api", failures=3, open_seconds=10, clock=lambda: clock[0])


def broken(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.check()
        breaker.failed()


def test_it_opens_after_so_many_failures_in_a_row(breaker):
    broken(breaker, 2)
    breaker.succeeded()
    broken(breaker, 3)
    with pytest.raises(TransientError, match="left alone for another 10 s"):
        breaker.check()


def test_one_trial_goes_through_after_the_pause(breaker, clock):
    broken(breaker, 3)
    clock[0] = 10.0
    breaker.check()
    with pytest.raises(TransientError):
        breaker.check()  # the trial is still under way
    breaker.failed()
    clock[0] = 19.0
    with pytest.raises(TransientError):
        breaker.check()
    clock[0] = 20.0
    breaker.check()
    breaker.succeeded()
    breaker.check()
