"""Rate limits: never above, nearly all of it used, by several processes at once."""

from __future__ import annotations

import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.errors import ConfigurationError, TransientError
from include.settings import REPOSITORY
from include.spending.limiter import Limiter, Rates, moving_windows
from include.spending.windows import FileStorage
from tests.standin.redis_server import redis_server

WINDOW, SECONDS = 1, 4


@pytest.fixture(params=["redis", "files"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    if request.param == "files":
        yield "", tmp_path
        return
    with redis_server(tmp_path) as url:
        yield url, tmp_path


def test_a_clock_that_was_set_back_stops_no_call(tmp_path):
    now = [10_000.0]
    windows = FileStorage(tmp_path, lambda: now[0])
    assert windows.acquire_entry("k", 2, 60, 2)
    now[0] -= 3_600
    assert windows.acquire_entry("k", 2, 60, 2)
    assert not windows.acquire_entry("k", 2, 60, 1)
    assert windows.get_moving_window("k", 2, 60) == (now[0], 2)


def under_load(backend: tuple[str, Path], *numbers: int, processes: int = 4) -> list[float]:
    """The moments of all calls that so many processes made."""
    command = [sys.executable, "-m", "tests.spending.limited", backend[0], str(backend[1])]
    workers = [
        subprocess.Popen([*command, *map(str, numbers)], cwd=REPOSITORY, stdout=subprocess.PIPE)
        for _ in range(processes)
    ]
    return sorted(float(at) for each in workers for at in each.communicate()[0].split())


def most_in(moments: list[float], seconds: float) -> int:
    """The most calls in any stretch of so many seconds."""
    return max(bisect_left(moments, at + seconds) - n for n, at in enumerate(moments))


def test_four_processes_stay_below_the_limit_and_use_it(backend):
    # The window is longer than what is measured, as it is at work: 61 seconds for a minute.
    moments = under_load(backend, 50, 0, 0, WINDOW + 1, SECONDS)
    assert most_in(moments, WINDOW) <= 50
    # Two full windows, from the first call on.
    assert len([at for at in moments if at < moments[0] + 2 * (WINDOW + 1)]) >= 0.95 * 100


def test_tokens_are_limited_as_requests_are(backend):
    moments = under_load(backend, 0, 100_000, 5_000, WINDOW + 1, SECONDS)
    assert most_in(moments, WINDOW) * 5_000 <= 100_000
    assert len([at for at in moments if at < moments[0] + 2 * (WINDOW + 1)]) >= 0.95 * 40


def test_a_request_that_could_never_be_sent_is_refused(tmp_path):
    limiter = Limiter(Rates(0, 100), lambda: moving_windows(None, tmp_path))
    with pytest.raises(ConfigurationError, match="RAG_LLM_TOKENS_PER_MINUTE"):
        limiter.wait("m", 101)


def test_no_limit_makes_no_windows_and_does_not_wait():
    began = time.monotonic()
    limiter = Limiter(Rates(), lambda: pytest.fail("made"))
    for _ in range(1_000):
        limiter.wait("m", 1_000_000)
    assert time.monotonic() - began < 1


def test_a_redis_that_is_away_calls_no_model():
    limiter = Limiter(Rates(1), lambda: moving_windows("redis://127.0.0.1:9/0", Path("/nowhere")))
    with pytest.raises(TransientError, match="RAG_REDIS_URL"):
        limiter.wait("m", 1)
