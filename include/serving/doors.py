"""What every request passes: it is named, counted, let in or not, and kept within limits."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from include.observability.log import report
from include.serving.measured import Measured
from include.serving.rates import Limit
from include.serving.readers import MONITOR, Keyring, Reader
from include.serving.refusals import UNEXPECTED, Refusal

OPEN = frozenset({"/healthz", "/readyz", "/docs", "/openapi.json"})
"""They tell nothing about documents, and load balancers and browsers have no key."""
METRICS = "/metrics"
BODY_BYTES = 1_000_000
BODY_SECONDS = 30.0


class Observed:
    """Counts and logs each request: route, status, seconds, who; nothing of what it says."""

    def __init__(self, app: ASGIApp, measured: Measured, routes: frozenset[str]) -> None:
        self._app = app
        self._measured = measured
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status, name = time.monotonic(), 500, uuid.uuid4().hex[:16]
        started = False

        async def noting(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = name
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if not started:
                await UNEXPECTED.response()(scope, receive, noting)
            raise  # the server logs the traceback
        finally:
            seconds, path = time.monotonic() - began, scope["path"]
            matched = getattr(scope.get("route"), "path", "")
            route = matched or (path if path in self._routes else "other")
            method = scope["method"] if route != "other" else "other"
            self._measured.request(route, method, status, seconds)
            reader = scope.get("state", {}).get("reader")
            report(
                "http", request=name, method=method, route=route, status=status,
                reader=reader.name if reader else "", seconds=round(seconds, 4),
            )  # fmt: skip
        return None


@dataclass(frozen=True, slots=True)
class Door:
    """Lets requests in: those with a key, not too many, none too large or too slow.

    Without keys only requests that name this machine as their host are let in, so that no web page
    can reach the API through a name of its own. `scope["state"]["reader"]` says who was let in.
    """

    app: ASGIApp
    keyring: Keyring
    hosts: frozenset[str] | None
    limit: Limit | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or says why not."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            headers = Headers(scope=scope)
            self._check_host(headers)
            _check_length(headers)
            if scope["path"] not in OPEN:
                reader = self.keyring.reader(headers.get("authorization", ""))
                scope.setdefault("state", {})["reader"] = reader
                await self._check_reader(reader, scope["path"])
        except Refusal as refusal:
            return await refusal.response()(scope, receive, send)
        return await self.app(scope, bounded_body(receive), send)

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if self.hosts is not None and name.lower() not in self.hosts:
            raise Refusal(
                403, "forbidden",
                f"Without RAG_API_KEYS the API answers to {', '.join(sorted(self.hosts))} alone, "
                f"not to the host {name[:100]!r}.",
            )  # fmt: skip

    async def _check_reader(self, reader: Reader, path: str) -> None:
        if reader is not MONITOR:
            await self._check_rate(reader)
        elif path != METRICS:
            raise Refusal(403, "forbidden", f"The key RAG_METRICS_KEY opens {METRICS} alone.")

    async def _check_rate(self, reader: Reader) -> None:
        if self.limit is None:
            return
        wait = await run_in_threadpool(self.limit, reader.name)
        if wait is not None:
            raise Refusal(
                429, "rate_limit", "There were more requests than RAG_API_REQUESTS_PER_MINUTE.",
                retry_after=wait,
            )  # fmt: skip


def _check_length(headers: Headers) -> None:
    told = headers.get("content-length", "0")
    if not told.isdigit() or int(told) > BODY_BYTES:
        raise _too_large()


def bounded_body(
    receive: Receive, seconds: float = BODY_SECONDS
) -> Callable[[], Awaitable[Message]]:
    """Receives a body of bounded size and time; afterwards whatever comes."""
    got, until, done = 0, time.monotonic() + seconds, False

    async def bounded() -> Message:
        nonlocal got, done
        if done:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), until - time.monotonic())
        except TimeoutError:
            raise Refusal(
                408, "timeout", f"The request's body should come within {seconds:g} s."
            ) from None
        got += len(message.get("body", b""))
        done = not message.get("more_body", False)
        if got > BODY_BYTES:
            raise _too_large()
        return message

    return bounded


def _too_large() -> Refusal:
    return Refusal(413, "too_large", f"A request's body should have at most {BODY_BYTES:,} bytes.")
