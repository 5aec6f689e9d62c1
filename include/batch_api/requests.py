"""Texts packed into requests, and requests into batches as large as a provider takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from include.documents import digest
from include.embedding.openai import OpenAIEmbedder
from include.remote.endpoint import Endpoint, number, option

URL: Final = "/v1/embeddings"
REQUEST_INPUTS = 256
"""Texts of a request: what is lost when one fails, and 2 MB of its answer at 1,536 dimensions."""
MAX_REQUESTS = 50_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch may hold, and how many tokens may wait at the provider at once (0: no limit).

    `poll_seconds` lie between two looks at the provider.
    """

    inputs: int = 50_000
    bytes: int = 200_000_000
    queue_tokens: int = 0
    poll_seconds: float = 60.0

    @classmethod
    def of(cls, endpoint: Endpoint) -> Limits:
        """OpenAI's, unless the connection's extra says otherwise."""
        return cls(
            inputs=option(endpoint, "batch_inputs", 50_000, 1, 10_000_000),
            bytes=option(endpoint, "batch_megabytes", 200, 1, 100_000) * 1_000_000,
            queue_tokens=option(endpoint, "batch_queue_tokens", 0, 0, 10**12),
            poll_seconds=number(endpoint, "batch_poll_seconds", 60.0, 0.02, 3_600.0),
        )


@dataclass(frozen=True, slots=True)
class Request:
    """A line of a batch: the hashes of its texts in order. No other texts have this `custom_id`."""

    custom_id: str
    hashes: tuple[str, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Group:
    """What is to be one batch: its requests, and every text by its hash."""

    requests: tuple[Request, ...]
    texts: dict[str, str]

    @property
    def tokens(self) -> int:
        """All tokens of all texts."""
        return sum(each.tokens for each in self.requests)


Texts = Sequence[tuple[str, str]]
"""Hashes and texts."""


def groups(parts: Iterable[Texts], embedder: OpenAIEmbedder, limits: Limits) -> Iterator[Group]:
    """The texts as batches within the limits, in order; memory holds one part and one batch.

    Raises ModelError for a text that the model cannot read.
    """
    held: list[Request] = []
    texts: dict[str, str] = {}
    size = tokens = 0
    for request, own in _requests(parts, embedder, limits):
        line = len(line_of(request, own, embedder))
        full = (
            len(texts) + len(own) > limits.inputs
            or size + line > limits.bytes
            or len(held) == MAX_REQUESTS
            or 0 < limits.queue_tokens < tokens + request.tokens
        )
        if held and full:
            yield Group(tuple(held), texts)
            held, texts, size, tokens = [], {}, 0, 0
        held.append(request)
        texts |= own
        size, tokens = size + line, tokens + request.tokens
    if held:
        yield Group(tuple(held), texts)


def line_of(request: Request, texts: dict[str, str], embedder: OpenAIEmbedder) -> bytes:
    """The request as a line of the file that is uploaded."""
    asked = embedder.body(embedder.prepared([texts[name] for name in request.hashes]))
    held = {"custom_id": request.custom_id, "method": "POST", "url": URL, "body": asked}
    return json.dumps(held, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _requests(
    parts: Iterable[Texts], embedder: OpenAIEmbedder, limits: Limits
) -> Iterator[tuple[Request, dict[str, str]]]:
    inputs = min(REQUEST_INPUTS, limits.inputs)
    for part in parts:
        at, prepared = 0, embedder.prepared([text for _, text in part])
        for packed, tokens in embedder.packed(prepared, inputs=inputs, tokens=limits.queue_tokens):
            own = dict(part[at : at + len(packed)])
            at += len(packed)
            name = digest("request", embedder.identity.id, *own)
            yield Request(name, tuple(own), tokens), own
