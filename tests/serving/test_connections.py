"""Clients that keep a connection and give nothing for it: none of them has a key."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from include.serving.connections import HEAD_BYTES, MOST_PIPELINED, Connection
from include.serving.server import make_server

PATIENCE_SECONDS = 30.0
LARGE = 32_000_000
"""Bytes: more than the buffers of both sides hold."""
ONE = b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n"


class Hasty(Connection):
    head_seconds = 0.3
    reading_seconds = 0.3
    lost = threading.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.set()


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    text = "x" * LARGE if scope["path"] == "/large" else "small"
    await PlainTextResponse(text)(scope, receive, send)


@contextmanager
def listening(connection: type[Connection], app: ASGIApp = answering) -> Iterator[int]:
    server = make_server(app, connection)  # type: ignore[arg-type]
    server.config.lifespan = "off"
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def hasty() -> Iterator[Callable[[], socket.socket]]:
    with listening(Hasty) as port:
        yield lambda: socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)


def everything(connection: socket.socket) -> bytes:
    """What comes until the server closes; a test's patience is an error."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("said", [b"", b"GET /small HTT", b"GET /small HTTP/1.1\r\nHost: x\r\n"])
def test_a_request_that_does_not_come_is_not_waited_for(hasty, said):
    with hasty() as connection:
        connection.sendall(said)
        assert everything(connection) == b""


def test_nor_is_the_one_after_an_answer(hasty):
    with hasty() as connection:
        connection.sendall(ONE)
        assert connection.recv(65_536).endswith(b"small")
        connection.sendall(b"GET /sm")
        assert everything(connection) == b""


def test_a_client_that_does_not_read_is_left(hasty):
    with hasty() as connection:
        Hasty.lost.clear()
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert Hasty.lost.wait(PATIENCE_SECONDS)
        assert len(everything(connection)) < LARGE


def test_a_client_that_reads_slowly_gets_everything():
    with listening(Connection) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert len(everything(connection)) > LARGE


@pytest.mark.parametrize(
    "endless", [b"X-A: " + b"a" * 8_187, b"X-A: aa\r\n" * 1_024, b"a" * 8_192], ids=len
)
def test_a_head_without_an_end_is_refused(endless):
    with listening(Connection) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.sendall(b"GET /small")
        connection.sendall(b"" if endless.startswith(b"a") else b" HTTP/1.1\r\nHost: x\r\n")
        try:
            for _ in range(2 + 100 * HEAD_BYTES // len(endless)):
                connection.sendall(endless)
        except ConnectionError:
            return  # nobody listens any more
        assert b"400 Bad Request" in everything(connection)


def test_a_head_of_the_usual_size_and_a_large_body_are_read():
    with listening(Connection) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /small HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 16_000 + b"\r\n")
        connection.sendall(b"Content-Length: 1000000\r\n\r\n" + b"b" * 1_000_000)
        connection.sendall(ONE.replace(b"Host", b"Connection: close\r\nHost"))
        assert everything(connection).count(b"small") == 2


def test_a_few_requests_at_once_are_answered_in_order_and_a_crowd_of_them_is_not():
    with listening(Connection) as port:
        for count, complete in ((MOST_PIPELINED, True), (10 * MOST_PIPELINED, False)):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.settimeout(PATIENCE_SECONDS)
                connection.sendall(ONE * count + ONE.replace(b"Host", b"Connection: close\r\nHost"))
                found = everything(connection)
                assert (found.count(b"small") == count + 1) is complete


def test_no_request_becomes_a_web_socket(hasty):
    with hasty() as connection:
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        connection.sendall(ONE.replace(b"Host", upgrade + b"Sec-WebSocket-Key: eA==\r\nHost"))
        assert everything(connection).startswith(b"HTTP/1.1 200")
