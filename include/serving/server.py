"""The process: one socket, one platform, until it is told to stop."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
import time
from contextlib import closing
from typing import Any

from include.errors import ConfigurationError
from include.settings import ApiSettings
from include.wiring import Platform

Json = dict[str, Any]
ANSWER_THREADS = 32
DRAIN_SECONDS = 20
_BACKLOG = 512


def serve(platform: Platform, host: str, port: int) -> Json:
    """Serves until SIGTERM or SIGINT, lets what has begun end, and says how much there was.

    Raises ConfigurationError for an address that is not this machine's alone while there are no
    keys, and for one that cannot be had.
    """
    settings = platform.settings.api
    refuse_open(host, settings)
    began = time.monotonic()
    with closing(_listening(host, port)) as listener:
        requests = _run(platform, settings, listener, host)
    return {"requests": requests, "seconds": round(time.monotonic() - began, 1)}


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


def _run(platform: Platform, settings: ApiSettings, listener: socket.socket, host: str) -> int:
    import uvicorn

    from include.serving.app import make_app
    from include.serving.rates import rate_limit
    from include.serving.readers import Keyring
    from include.serving.routes import Api
    from include.serving.service import Service
    from include.serving.workers import Workers
    from include.storage.sessions import open_sessions

    sessions = open_sessions(
        platform.settings.redis_url, platform.lake.objects, settings.session_seconds
    )
    searches = Workers("search", max(4, 2 * (os.cpu_count() or 1)), settings.timeout_seconds)
    answers = Workers("answer", ANSWER_THREADS, settings.timeout_seconds)
    api = Api(Service(platform, sessions), searches, answers)
    hosts = None if settings.keys else frozenset({"127.0.0.1", "localhost", "[::1]", host})
    limit = rate_limit(settings.requests_per_minute, platform.settings.redis_url)
    app = make_app(api, Keyring(settings.keys), hosts=hosts, limit=limit)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="on",
        timeout_graceful_shutdown=DRAIN_SECONDS, limit_concurrency=1_000,
    )  # fmt: skip
    server = uvicorn.Server(config)
    # uvicorn raises the signal again when it has stopped: that is no reason to die of it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    address, bound = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    sys.stderr.write(f"Listening on http://{shown}:{bound} (routes: /docs). Stop it with Ctrl-C.\n")
    sys.stderr.flush()
    try:
        server.run(sockets=[listener])
    finally:
        for workers in (searches, answers):
            workers.close()
        sessions.close()
    return server.server_state.total_requests


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
