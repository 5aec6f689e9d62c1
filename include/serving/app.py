"""The application: routes behind the door, every error in one shape, the model loaded at start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from include.errors import PlatformError
from include.observability.log import report, warn
from include.serving.completions import completions
from include.serving.doors import Door, Observed
from include.serving.lake_gauges import keep_looking
from include.serving.rates import Limit
from include.serving.readers import Keyring
from include.serving.refusals import Refusal, refusal_of
from include.serving.routes import Api, health, questions
from include.serving.service import NO_INDEX, Service

VERSION = "0.1.0"
LOOK_SECONDS = 2.0
_KINDS = {404: "not_found", 405: "not_found"}
_PROMISE = (
    "Search, answers with citations and conversations over the live index. Bodies are JSON; a "
    "request that gets no answer is told why: {\"error\": {\"type\", \"message\"}}. "
    "Where keys are set, send one as `Authorization: Bearer`."
)  # fmt: skip


def make_app(
    api: Api, keyring: Keyring, *, hosts: frozenset[str] | None = None, limit: Limit | None = None
) -> FastAPI:
    """The application over these parts; `hosts` are the only ones it answers to, None is any."""

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        measured = keep_looking(api.measured.lake, api.service.look)
        looking = [asyncio.create_task(each) for each in (_keep_ready(api), measured)]
        try:
            yield
        finally:
            for each in looking:
                each.cancel()
                with suppress(asyncio.CancelledError):
                    await each

    app = FastAPI(
        title="RAG data platform", version=VERSION, description=_PROMISE, lifespan=living,
        docs_url=None, redoc_url=None,
    )  # fmt: skip
    app.state.api = api
    for router in (health, questions, completions):
        app.include_router(router)
    for kind, told in _TOLD.items():
        app.add_exception_handler(kind, told)
    app.add_middleware(Door, keyring=keyring, hosts=hosts, limit=limit)
    app.add_middleware(Observed, measured=api.measured, routes=_paths(app))
    return app


def _paths(app: FastAPI) -> frozenset[str]:
    return frozenset({*app.openapi()["paths"], "/docs", "/openapi.json"})


async def _keep_ready(api: Api) -> None:
    """Loads what the live index needs, at start and after each switch, before anybody asks."""
    loaded: str | None = None
    told = ""
    while True:
        try:
            loaded = await asyncio.to_thread(_looked, api.service, loaded)
            api.unready, told = "" if loaded else NO_INDEX, ""
        except PlatformError as error:
            if str(error) != told:  # once, not at every look
                api.unready, told = refusal_of(error).detail, str(error)
            loaded = None
        except Exception as error:  # noqa: BLE001 - the next look may succeed
            api.unready = "The service is not well: its log says why."
            warn(f"{type(error).__name__} while the model was being loaded: {error}")
        await asyncio.sleep(LOOK_SECONDS)


def _looked(service: Service, loaded: str | None) -> str | None:
    """The name of the index whose model is loaded; "" for that of the settings."""
    try:
        index = service.index()
    except Refusal:  # no index yet: its model is that of the settings, most likely
        if loaded is None:
            service.load(None)
        return ""
    if index.name != loaded:
        service.load(index)
        report("serving", index=index.name, embedder=index.embedder)
    return index.name


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, Refusal):
        return error.response()
    asked = f"{request.method} {request.url.path[:100]}"
    kind = _KINDS.get(error.status_code, "invalid_request")
    told = f"There is no {asked}: /docs has the routes."
    if kind == "invalid_request":
        told = error.detail.rstrip(".") + "."
    answer = Refusal(error.status_code, kind, told).response()
    answer.headers.update(error.headers or {})  # Allow, of a 405
    return answer


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return Refusal(400, "invalid_request", sentence_of(error.errors())).response()


async def _failed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PlatformError)
    return refusal_of(error).response()


def sentence_of(errors: Any) -> str:
    """What is wrong with a body, by the first field that is."""
    first, others = errors[0], len(errors) - 1
    if first["loc"] == ("body",) or first["type"] == "json_invalid":
        return "The body should be a JSON object, sent with Content-Type: application/json."
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    value = "" if first["type"] == "missing" else f", is {first['input']!r:.80}"
    more = f" (and {others} more)" if others else ""
    return f"{place}: {first['msg']}{value}{more}."


Told = Callable[[Request, Exception], Awaitable[JSONResponse]]
_TOLD: dict[type[Exception], Told] = {
    HTTPException: _http,
    RequestValidationError: _invalid,
    PlatformError: _failed,
}
