"""The platform's own routes: health, search, answers, conversations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPBearer

from include.llm.protocol import Heard
from include.retrieval.answers import Answer
from include.serving.bodies import Chat, Question, Search
from include.serving.measured import Measured
from include.serving.page import page
from include.serving.readers import Reader
from include.serving.refusals import Refusal
from include.serving.replies import ASKED, KEYED, ChatAnswer, Found, Status, replies
from include.serving.service import Service
from include.serving.streams import (
    Telling,
    event,
    ping,
    raise_unforeseen,
    refused,
    streamed,
)
from include.serving.workers import Workers

Json = dict[str, Any]
Answering = Callable[[Heard | None], Json]
EVENT_STREAM = "text/event-stream"


@dataclass(slots=True)
class Api:
    """What routes work with. `unready` says why questions cannot be answered; "" when they can.

    Answers have threads of their own: models that are slow hold up no search.
    """

    service: Service
    searches: Workers
    answers: Workers
    measured: Measured = field(default_factory=Measured)
    unready: str = "The model is being loaded."

    def counted(self, act: Answering) -> Answering:
        """The same, counted when it is done, whether or not anybody still waits for it."""

        def counting(heard: Heard | None) -> Json:
            found = act(heard)
            self.measured.answer(found)
            return found

        return counting


def _api(request: Request) -> Api:
    return cast(Api, request.app.state.api)


def _reader(request: Request) -> Reader:
    return cast(Reader, request.state.reader)


Within = Annotated[Api, Depends(_api)]
By = Annotated[Reader, Depends(_reader)]
KEY = [Depends(HTTPBearer(auto_error=False, description="A key of RAG_API_KEYS."))]
"""Tells the OpenAPI document who needs one; that they have it is seen to at the door."""
health = APIRouter(tags=["health"])
questions = APIRouter(prefix="/v1", tags=["questions"], dependencies=KEY)


@health.get(
    "/healthz",
    summary="Whether the process is alive",
    response_model=None,
    responses=replies(Status),
)
async def healthz() -> Json:
    """Always `ok`."""
    return {"status": "ok"}


@health.get("/readyz", summary="Whether questions can be answered", responses=replies(Status, 503))
async def readyz(api: Within) -> JSONResponse:
    """503 with a sentence until the model is loaded and there is an index."""
    if api.unready:
        return Refusal(503, "not_ready", api.unready, retry_after=5).response()
    return JSONResponse({"status": "ready"})


@health.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses=replies(None, *KEYED),
    dependencies=KEY,
)
async def metrics(api: Within) -> Response:
    """Requests, seconds, answers by mode, cost; what is live, set aside, and spent today."""
    for name, pool in (("searches", api.searches), ("answers", api.answers)):
        api.measured.waiting.labels(name).set(pool.pending)
    api.measured.ready.set(not api.unready)
    return api.measured.response()


@health.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The routes, for people."""
    return HTMLResponse(page(request.app.openapi()))


@questions.post(
    "/search",
    summary="Find the chunks that match a text",
    response_model=None,
    responses=replies(Found, 404, *ASKED),
)
async def search(asked: Search, api: Within, reader: By) -> Json:
    """As `python -m include search --json`: `index` and `hits`, best first."""
    return await api.searches.run(lambda: api.service.search(asked, reader))


@questions.post(
    "/answer",
    summary="Answer a question from the documents, with citations",
    responses=replies(Answer, *ASKED, streams=True),
)
async def answer(asked: Question, request: Request, api: Within, reader: By) -> Response:
    """As `python -m include ask --json`. As a stream: `delta` events, then `answer` or `error`."""
    return await _told(api, asked, request, lambda heard: api.service.answer(asked, reader, heard))


@questions.post(
    "/chat",
    summary="Answer a question in a conversation",
    responses=replies(ChatAnswer, 404, *ASKED, streams=True),
)
async def chat(asked: Chat, request: Request, api: Within, reader: By) -> Response:
    """As `/v1/answer`, with `session`, which the next question of the conversation names."""
    return await _told(api, asked, request, lambda heard: api.service.chat(asked, reader, heard))


async def _told(api: Api, asked: Question, request: Request, act: Answering) -> Response:
    act = api.counted(act)
    if not (asked.stream or EVENT_STREAM in request.headers.get("accept", "")):
        return JSONResponse(await api.answers.run(lambda: act(None)))
    telling = Telling(api.answers, act)
    await telling.begin()
    return streamed(_events(api, telling))


async def _events(api: Api, telling: Telling) -> AsyncIterator[bytes]:
    finished = heard = False
    try:
        async for piece in telling.pieces():
            heard = heard or piece is not None
            yield ping() if piece is None else event({"text": piece}, "delta")
        try:
            found = await telling.result()
        except Exception as error:  # noqa: BLE001 - those that are not ours are raised again
            finished = True
            yield event(refused(error), "error")
            raise_unforeseen(error)
        else:
            if not heard:
                yield event({"text": found["answer"]}, "delta")
            yield event(found, "answer")
        finished = True
    finally:
        if not finished:
            api.measured.abandoned()
