"""An answer that is told while it is being written: pieces first, then what it came to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import StreamingResponse

from include.errors import PlatformError
from include.llm.protocol import Heard
from include.serving.refusals import UNEXPECTED, Refusal, refusal_of
from include.serving.workers import Workers

Json = dict[str, Any]
PING_SECONDS = 15.0
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Telling:
    """One answer in the making.

    Whoever listens may leave at any time: the answer is finished all the same, so that its cost is
    known exactly and its trace is kept.
    """

    def __init__(
        self, workers: Workers, act: Callable[[Heard], Json], *, silence: float = PING_SECONDS
    ) -> None:
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._work = asyncio.create_task(workers.run(lambda: act(self._hear)))
        self._work.add_done_callback(lambda _: self._pieces.put_nowait(None))
        self._first: str | None = None

    async def begin(self) -> None:
        """Returns when there is something to tell; raises what kept it from beginning."""
        try:
            self._first = await self._pieces.get()
        except asyncio.CancelledError:
            self._work.cancel()
            raise
        if self._first is None:
            await self._work

    async def pieces(self) -> AsyncIterator[str | None]:
        """The words in order, None for each pause that is long; after it comes `result`."""
        piece = self._first
        try:
            while piece is not None:
                yield piece
                while (piece := await self._next()) == "":
                    yield None
        finally:
            self._work.cancel()

    async def result(self) -> Json:
        """The answer; raises what kept it from being finished."""
        return await self._work

    async def _next(self) -> str | None:
        """The next piece, None after the last one, "" when there was none for long."""
        try:
            return await asyncio.wait_for(self._pieces.get(), self._silence)
        except TimeoutError:
            return ""

    def _hear(self, piece: str) -> None:
        with suppress(RuntimeError):  # the server has stopped meanwhile
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)


def event(data: Json | str, name: str | None = None) -> bytes:
    """One server-sent event."""
    # Pure ASCII: a line separator of Unicode would end the line, and cut the JSON in two.
    text = data if isinstance(data, str) else json.dumps(data)
    return format_sse_event(data_str=text, event=name)


def ping() -> bytes:
    """What keeps a silent connection open."""
    return KEEPALIVE_COMMENT


def refused(error: Exception) -> Json:
    """The body of an error that comes after the stream has begun."""
    if isinstance(error, PlatformError):
        return refusal_of(error).as_json()
    return (error if isinstance(error, Refusal) else UNEXPECTED).as_json()


def raise_unforeseen(error: Exception) -> None:
    """Raises what is no error of ours, for the log, after the client was told."""
    if not isinstance(error, PlatformError | Refusal):
        raise error


def streamed(events: AsyncIterator[bytes]) -> StreamingResponse:
    """The response that sends them."""
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)
