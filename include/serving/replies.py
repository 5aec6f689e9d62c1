"""What responses hold, for the OpenAPI document: nothing is made of these, a test compares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from include.documents import Hit
from include.retrieval.answers import Answer

Responses = dict[int | str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """The hits, best first, and the index that was searched."""

    index: str
    hits: list[Hit]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer(Answer):
    """An answer, and the name of the session to go on with."""

    session: str


@dataclass(frozen=True, slots=True)
class Status:
    """`ok`, or `ready`."""

    status: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind for programs and a sentence for people."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no answer."""

    error: Problem


@dataclass(frozen=True, slots=True)
class Model:
    """A model as OpenAI's clients know it."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


@dataclass(frozen=True, slots=True)
class Models:
    """A list of one."""

    object: Literal["list"]
    data: list[Model]


@dataclass(frozen=True, slots=True)
class Message:
    """The answer's text with its sources."""

    role: Literal["assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The only one."""

    index: int
    message: Message
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the chat model."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion as OpenAI's clients know it; `rag` is the whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    rag: Answer


_WHY = {
    400: "The request cannot be used.",
    401: "No key that is known.",
    403: "Not for this key.",
    404: "There is none of that name.",
    413: "The body is too large.",
    429: "A budget or rate limit, with Retry-After.",
    503: "No index yet, a model is down, or too much at once, with Retry-After.",
    504: "No answer in time.",
}
KEYED = (401, 403, 429)
ASKED = (400, *KEYED, 413, 503, 504)


def replies(model: type | None, *statuses: int, streams: bool = False) -> Responses:
    """The responses of a route: what it gives, these refusals, and the shape of every other one.

    Without a model it gives plain text.
    """
    good: dict[str, Any] = {"description": "Text, a line each."}
    if model is not None:
        good = {"model": model, "description": (model.__doc__ or "").partition("\n")[0]}
    if streams or model is None:
        kind = "text/event-stream" if streams else "text/plain"
        good["content"] = {kind: {"schema": {"type": "string"}}}
    refused: dict[int | str, dict[str, Any]] = {
        status: {"model": Refused, "description": _WHY[status]} for status in sorted(statuses)
    }
    return {
        200: good,
        **refused,
        "default": {"model": Refused, "description": "Anything else that went wrong."},
    }
