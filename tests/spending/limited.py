"""A worker under a rate limit: notes the moment of each call. `python -m tests.spending.limited`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from include.spending.limiter import Limiter, Rates, moving_windows


def main(redis_url: str, folder: str, *numbers: str) -> None:
    """Is ready, waits for a line, calls as often as it may, then prints each call's moment."""
    requests, tokens, each, window, seconds = map(int, numbers)
    limiter = Limiter(
        Rates(requests, tokens),
        lambda: moving_windows(redis_url or None, Path(folder)),
        window_seconds=window,
    )
    limiter.wait("a first call, which imports what is needed", each)
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.time() + seconds
    called = []
    while time.time() < until:
        limiter.wait("model", each)
        called.append(time.time())
    print("\n".join(f"{at!r}" for at in called if at < until))


if __name__ == "__main__":
    main(*sys.argv[1:])
