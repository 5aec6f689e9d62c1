"""The seam between the platform and chat models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol

from include.spending.forecast import Estimate

Role = Literal["system", "user", "assistant"]
Heard = Callable[[str], None]
"""Takes the next piece of an answer while it is being written; returns at once, raises nothing."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Which template a request was made from; `hash` is that of the template's text."""

    name: str
    version: str
    hash: str

    def as_json(self) -> dict[str, str]:
        """Its parts by name."""
        return {"name": self.name, "version": self.version, "hash": self.hash}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a model is asked. With a JSON `schema` the answer is to be an object of that form.

    `document` and `trace` are for the ledger. Without a `temperature` the model's own is taken. A
    `fresh` request is asked of the model although the answer to an identical one is stored.
    """

    messages: Sequence[Message]
    prompt: Prompt | None = None
    max_output_tokens: int = 1_024
    temperature: float | None = None
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    operation: str = "chat"
    document: str = ""
    trace: str = ""
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered. `model` is the one of the fallback order that did.

    `finish_reason` is `stop`, or `length` for an answer cut at `max_output_tokens`. A `cached`
    answer cost nothing; its tokens are those of the call that it was stored from.
    """

    text: str
    model: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    cached: bool = False


class ChatModel(Protocol):
    """Answers requests."""

    @property
    def name(self) -> str:
        """What it is called in settings: `openai:a`, or several in the order of fallback."""
        ...

    def most(self, request: ChatRequest, *, beside: int = 0) -> Estimate:
        """What the request costs at most: its tokens and so many beside, and the longest answer.

        Of several models that of the dearest, for any of them may have to answer. Asks nobody.
        """
        ...

    def complete(self, request: ChatRequest, *, heard: Heard | None = None) -> Completion:
        """The answer, paid for and in the ledger.

        With `heard` it is also given away piece by piece while the model writes it; the pieces make
        up the completion's text. Once there was a piece, no other attempt is made: what breaks off
        is a ModelError. Whoever hears cannot stop the call, so that what it cost is always known.

        Raises TransientError when no model is to be had now, ModelError for an answer that cannot
        be used (filtered, empty), BudgetError before a call that a budget does not allow.
        """
        ...
