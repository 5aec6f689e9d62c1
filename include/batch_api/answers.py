"""What a provider's files say became of a batch: vectors, failures, and what was charged. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.batch_api.requests import Request
from include.embedding.openai_vectors import read_vectors
from include.embedding.protocol import EmbedderIdentity, FloatArray
from include.errors import ModelError
from include.spending.entries import DONE, REFUSED, UNKNOWN, UNUSABLE
from include.spending.prices import Tokens

OVER = frozenset({"completed", "failed", "expired", "cancelled"})
"""The states of a provider's batch that it does not leave any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request: vectors, or the kind of `failure`.

    `charged` says whether the provider answered it, and so was paid; `tokens` is what it told.
    """

    custom_id: str
    charged: bool
    tokens: int | None = None
    vectors: FloatArray | None = None
    failure: str = ""


def read_answer(
    raw: bytes, requests: Mapping[str, Request], identity: EmbedderIdentity
) -> Answer | None:
    """The answer of one line; None for a line that is none, or of no request of this batch."""
    try:
        held = json.loads(raw)
        request = requests[held["custom_id"]]
        response = _object(held.get("response"))
        body = _object(response.get("body"))
        if response.get("status_code") != 200:
            said = _object(held.get("error")) or _object(body.get("error"))
            code = said.get("code") or response.get("status_code") or "unknown"
            return Answer(request.custom_id, charged=False, failure=_plain(code))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return _answered(request, body, identity)


def _answered(request: Request, body: Mapping[str, Any], identity: EmbedderIdentity) -> Answer:
    tokens = _told(body.get("usage"), "prompt_tokens")
    try:
        pairs = [(each["index"], each["embedding"]) for each in body["data"]]
        vectors = read_vectors(pairs, len(request.hashes), identity)
    except (ModelError, KeyError, TypeError):
        return Answer(request.custom_id, charged=True, tokens=tokens, failure="unusable")
    return Answer(request.custom_id, charged=True, tokens=tokens, vectors=vectors)


@dataclass(frozen=True, slots=True)
class Charge:
    """What a batch cost: the ledger's status, and tokens."""

    status: str
    tokens: Tokens


def charge(
    requests: Mapping[str, Request], seen: Mapping[str, Answer], completed: int, usage: object
) -> Charge:
    """What is to be entered for a batch that is over. Answers that were lost count as paid.

    The provider's sum of the batch counts, where it tells one; else what it tells of each request;
    else our count. `completed` is how many requests it says it answered.
    """
    charged = [each for each in seen.values() if each.charged]
    lost = max(0, completed - len(charged))
    unseen = sorted((r.tokens for name, r in requests.items() if name not in seen), reverse=True)
    silent = [requests[each.custom_id].tokens for each in charged if each.tokens is None]
    ours = sum(unseen[:lost]) + sum(silent)
    told = _told(usage, "input_tokens")
    if told:
        tokens = Tokens(told)
    else:
        tokens = Tokens(sum(each.tokens or 0 for each in charged) + ours, counted=ours > 0)
    if not charged and not lost and not told:
        return Charge(REFUSED, Tokens())
    if lost and not told:
        return Charge(UNKNOWN, tokens)
    usable = any(each.vectors is not None or not each.failure for each in charged)
    return Charge(DONE if usable else UNUSABLE, tokens)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _told(usage: object, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else getattr(usage, name, None)
    real = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if real else None


def _plain(code: object) -> str:
    """A code as it may be counted and logged, whatever a server sends."""
    text = str(code)[:40]
    return text if text.replace("_", "").replace("-", "").isalnum() else "other"
