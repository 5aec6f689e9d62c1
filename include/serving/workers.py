"""Threads for what blocks: models, tables, the lake. The event loop only waits for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from include.serving.refusals import Refusal

T = TypeVar("T")
WAITING_EACH = 64
"""Requests that may wait for each thread; whoever comes later is told to come again."""


class Workers:
    """So many threads; each piece of work may take so many seconds, waiting included.

    Work that has begun goes on when its time is over or nobody waits any more: what it pays for is
    settled and kept. Work that has not begun by then is dropped.
    """

    def __init__(self, name: str, threads: int, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._seconds = seconds
        self._most = threads * (1 + WAITING_EACH)
        self._pending = 0
        self._lock = threading.Lock()

    @property
    def pending(self) -> int:
        """How much is being done or waits."""
        return self._pending

    async def run(self, act: Callable[[], T]) -> T:
        """What `act` returns. Raises Refusal when there is no room, and when its time is over."""
        work = self._submit(act)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work), self._seconds)
        except TimeoutError:
            raise Refusal(
                504,
                "timeout",
                f"There was no answer within {self._seconds:g} s (RAG_API_TIMEOUT_SECONDS).",
            ) from None

    def close(self) -> None:
        """Returns when everything that had begun is done; what had not is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, act: Callable[[], T]) -> Future[T]:
        with self._lock:
            if self._pending >= self._most:
                raise Refusal(
                    503, "busy", f"{self._pending} requests are being answered.", retry_after=1
                )
            self._pending += 1
        work = self._pool.submit(copy_context().run, act)
        work.add_done_callback(self._done)
        return work

    def _done(self, _: Future[T]) -> None:
        with self._lock:
            self._pending -= 1
