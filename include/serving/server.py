"""The process: one socket, one platform, until it is told to stop."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from include.errors import ConfigurationError
from include.settings import ApiSettings
from include.wiring import Platform

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Server

    from include.serving.connections import Connection

Json = dict[str, Any]
ANSWER_THREADS = 32
DRAIN_SECONDS = 20
MOST_CONNECTIONS = 1_000
_BACKLOG = 512


def serve(platform: Platform, host: str, port: int) -> Json:
    """Serves until SIGTERM or SIGINT, lets what has begun end, and says how much there was.

    Raises ConfigurationError for an address that is not this machine's alone while there are no
    keys, and for one that cannot be had.
    """
    refuse_open(host, platform.settings.api)
    began = time.monotonic()
    with closing(_listening(host, port)) as listener, serving(platform, host) as app:
        server = make_server(app)
        # uvicorn raises the signal again when it has stopped: that is no reason to die of it.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        sys.stderr.write(f"Listening on {_url(listener)} (routes: /docs). Stop it with Ctrl-C.\n")
        sys.stderr.flush()
        server.run(sockets=[listener])
    seconds = round(time.monotonic() - began, 1)
    return {"requests": server.server_state.total_requests, "seconds": seconds}


def refuse_open(host: str, settings: ApiSettings) -> None:
    """Raises ConfigurationError where anybody on the network could ask."""
    if not settings.keys and not is_loopback(host):
        raise ConfigurationError(
            f"Without RAG_API_KEYS the API listens on loopback only, --host is {host!r}: set "
            f"RAG_API_KEYS, or use --host 127.0.0.1."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def serving(platform: Platform, host: str) -> Iterator[FastAPI]:
    """The application over this platform; afterwards what had begun is done, and paid calls settled."""
    from include.serving.app import make_app
    from include.serving.rates import rate_limit
    from include.serving.readers import Keyring
    from include.serving.routes import Api
    from include.serving.service import Service
    from include.serving.workers import Workers
    from include.storage.sessions import open_sessions

    settings, redis_url = platform.settings.api, platform.settings.redis_url
    sessions = open_sessions(redis_url, platform.lake.objects, settings.session_seconds)
    searches = Workers("search", max(4, 2 * (os.cpu_count() or 1)), settings.timeout_seconds)
    answers = Workers("answer", ANSWER_THREADS, settings.timeout_seconds)
    hosts = None if settings.keys else frozenset({"127.0.0.1", "localhost", "[::1]", host})
    limit = rate_limit(settings.requests_per_minute, redis_url)
    api = Api(Service(platform, sessions), searches, answers)
    try:
        yield make_app(api, Keyring(settings.keys, settings.metrics_key), hosts=hosts, limit=limit)
    finally:
        for workers in (searches, answers):
            workers.close()
        sessions.close()


def make_server(app: FastAPI, connection: type[Connection] | None = None) -> Server:
    """What speaks HTTP for the application, and with each client by such a connection."""
    import uvicorn

    from include.serving.connections import Connection

    return uvicorn.Server(
        uvicorn.Config(
            app, http=connection or Connection, ws="none", log_config=None, access_log=False,
            server_header=False, lifespan="on", timeout_graceful_shutdown=DRAIN_SECONDS,
            limit_concurrency=MOST_CONNECTIONS,
        )
    )  # fmt: skip


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"The API cannot listen on {host}:{port} ({error.strerror or error}): stop what does, or "
            f"choose another --port."
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    return f"http://{f'[{address}]' if ':' in address else address}:{port}"
