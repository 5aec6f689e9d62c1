"""What speaks HTTP with one client: as uvicorn does, but with an end to waiting and to memory.

uvicorn waits for ever for a request that does not come and for a client that does not read, and
keeps whatever is sent as a header. None of that needs a key: without these bounds 1,000 idle
connections end the service for everybody, and one endless header the process.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 65_536
"""Of request line and headers, counted from the second packet on: the first is bounded anyway."""
MOST_PIPELINED = 32
"""Requests that may wait on one connection for the answer before them."""


class Connection(HttpToolsProtocol):
    """One connection, which is closed when a request's head or the client's reading takes too long.

    A whole head has to come within `head_seconds` of the connection, or of the answer before it.
    """

    head_seconds: ClassVar[float] = 15.0
    reading_seconds: ClassVar[float] = 60.0

    _head: int | None = None
    _waiting: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        for timer in (self._waiting, self._stuck):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on, unless the head has become too large."""
        goes_on = self._head is not None
        super().data_received(data)
        if goes_on and self._head is not None:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self.send_400_response(f"A head should have at most {HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head = 0

    def on_headers_complete(self) -> None:
        """The head is whole. What raises here ends the connection, with status 400."""
        self._head = None
        if len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many requests at once")
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Begins to wait for the next request."""
        super().on_response_complete()
        self._wait()

    def pause_writing(self) -> None:
        """The client has stopped reading."""
        super().pause_writing()
        self._stuck = self.loop.call_later(self.reading_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads on."""
        super().resume_writing()
        if self._stuck is not None:
            self._stuck.cancel()

    def _wait(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = self.loop.call_later(self.head_seconds, self._waited)

    def _waited(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
