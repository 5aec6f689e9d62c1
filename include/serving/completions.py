"""OpenAI's chat completions, so that clients which know nothing of this platform can ask it.

The model `rag` answers the last message from the documents. An answer's text is followed by its
sources, which such clients would not show otherwise; `rag` in the response has all of the answer.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from include.llm.protocol import Heard
from include.serving.bodies import MODEL, Completions
from include.serving.refusals import Refusal
from include.serving.replies import ASKED, KEYED, Completion, Model, Models, replies
from include.serving.routes import KEY, Api, By, Within
from include.serving.streams import (
    Telling,
    event,
    ping,
    raise_unforeseen,
    refused,
    streamed,
)

Json = dict[str, Any]
completions = APIRouter(prefix="/v1", tags=["OpenAI-compatible"], dependencies=KEY)


@completions.get(
    "/models",
    summary="The models that can be asked",
    response_model=None,
    responses=replies(Models, *KEYED),
)
async def models() -> Json:
    """One: `rag`, whatever chat models stand behind it."""
    return {"object": "list", "data": [_model()]}


@completions.get(
    "/models/{name}",
    summary="A model",
    response_model=None,
    responses=replies(Model, 404, *KEYED),
)
async def model(name: str) -> Json:
    """404 for any but `rag`."""
    _require(name)
    return _model()


@completions.post(
    "/chat/completions",
    summary="Answer the last message of a conversation",
    responses=replies(Completion, 404, *ASKED, streams=True),
)
async def complete(asked: Completions, api: Within, reader: By) -> Response:
    """Earlier messages of user and assistant are read as history; system messages are not."""
    _require(asked.model)
    question, turns = asked.question(), asked.turns()

    @api.counted
    def act(heard: Heard | None) -> Json:
        return api.service.answer(question, reader, heard, turns=turns, route="completions")

    if not asked.stream:
        return JSONResponse(_whole(await api.answers.run(lambda: act(None))))
    telling = Telling(api.answers, act)
    await telling.begin()
    usage = bool(asked.stream_options and asked.stream_options.include_usage)
    return streamed(_chunks(api, telling, usage=usage))


async def _chunks(api: Api, telling: Telling, *, usage: bool) -> AsyncIterator[bytes]:
    finished, said, name = False, "", {"id": f"chatcmpl-{uuid.uuid4()}"}
    try:
        yield event(_chunk({"role": "assistant", "content": ""}) | name)
        async for piece in telling.pieces():
            said += piece or ""
            yield ping() if piece is None else event(_chunk({"content": piece}) | name)
        try:
            found = await telling.result()
            for chunk in _ending(found, said, usage=usage):
                yield event(chunk | name)
            yield event("[DONE]")
        except Exception as error:  # noqa: BLE001 - those that are not ours are raised again
            finished = True
            yield event(refused(error))
            raise_unforeseen(error)
        finished = True
    finally:
        if not finished:
            api.measured.abandoned()


def _ending(found: Json, said: str, *, usage: bool) -> list[Json]:
    """What comes after a model's words: sources, the reason to stop, usage.

    Raises Refusal where a model broke off and extracts stand in: they cannot take its words back.
    """
    if not said:
        said = found["answer"]
        chunks = [_chunk({"content": said})]
    elif found["model"] == "extractive":
        raise Refusal(503, "model", " ".join(found["problems"]))
    else:
        chunks = []
    if sources := _sources(found):
        chunks.append(_chunk({"content": sources}))
    chunks.append(_chunk({}, finish=found["finish_reason"]) | {"rag": found})
    if usage:
        chunks.append(_chunk(None) | {"usage": _usage(found)})
    return chunks


def _whole(found: Json) -> Json:
    message = {"role": "assistant", "content": found["answer"] + _sources(found)}
    choice = {"index": 0, "message": message, "finish_reason": found["finish_reason"]}
    return {
        "id": f"chatcmpl-{found['trace_id']}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [choice],
        "usage": _usage(found),
        "rag": found,
    }


def _chunk(delta: Json | None, finish: str | None = None) -> Json:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": MODEL,
        "choices": choices,
    }


def _sources(found: Json) -> str:
    lines = [f"[{each['marker']}] {each['title']}: {each['uri']}" for each in found["citations"]]
    return "\n".join(["\n\nSources:", *lines]) if lines else ""


def _usage(found: Json) -> Json:
    asked, said = found["usage"]["input_tokens"], found["usage"]["output_tokens"]
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _model() -> Json:
    return {"id": MODEL, "object": "model", "created": 0, "owned_by": "rag-data-platform"}


def _require(name: str) -> None:
    if name != MODEL:
        raise Refusal(404, "not_found", f"There is no model {name!r}; there is {MODEL!r}.")
