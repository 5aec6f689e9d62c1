"""One call to a model, as the ledger keeps it: what it was for, and what became of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from include.spending.caller import Caller
from include.spending.prices import Tokens

EMBED = "embed"
"""The operation of embeddings: their tokens are known before the call."""
RESERVED = "reserved"
"""Written before the call. An entry that stays so was in flight when its process died."""
DONE = "ok"
CACHED = "cached"
"""Answered from the cache of identical requests, at no cost."""
UNKNOWN = "unknown"
"""No answer came back although the request was sent: it counts as paid, by our own count."""
UNUSABLE = "unusable"
"""An answer came back, and was paid, that cannot be used."""
REFUSED = "refused"
"""The provider said no, or was not reached: nothing was charged."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a call is for; `content` is a hash of what is sent, never its text."""

    operation: str
    provider: str
    model: str
    endpoint: str = ""
    content: str = ""
    prompt: str = ""
    prompt_version: str = ""
    prompt_hash: str = ""
    document: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt to call a model. `retry` counts from 0; `error` names a kind, no text.

    `budgeted` says that the budget of its day has counted it, `run_budgeted` that of its run.
    `requests` is how many the provider counts, more than one for a batch.
    """

    id: str
    at: datetime
    purpose: Purpose
    caller: Caller
    status: str
    tokens: Tokens
    cost_usd: Decimal
    retry: int = 0
    seconds: float = 0.0
    error: str = ""
    answered_by: str = ""
    budgeted: bool = False
    run_budgeted: bool = False
    requests: int = 1

    def settled(self, status: str, **changes: Any) -> Entry:
        """The same call with what became of it."""
        return replace(self, status=status, **changes)

    def as_json(self) -> dict[str, Any]:
        """A flat object: one line of a segment."""
        flat, tokens = _fields(self), self.tokens
        for name in ("tokens", "purpose", "caller"):
            del flat[name]
        return {
            **flat,
            "at": self.at.isoformat(),
            "cost_usd": f"{self.cost_usd:f}",
            **_fields(self.purpose),
            **_fields(self.caller),
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "cached_tokens": tokens.cached,
            "tokens_counted_here": tokens.counted,
        }

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Entry:
        """The entry of a line; raises KeyError or ValueError for one that is none."""
        return cls(
            id=held["id"],
            at=datetime.fromisoformat(held["at"]),
            purpose=Purpose(**{name: held[name] for name in Purpose.__dataclass_fields__}),
            caller=Caller(**{name: held[name] for name in Caller.__dataclass_fields__}),
            status=held["status"],
            tokens=Tokens(
                held["input_tokens"],
                held["output_tokens"],
                held["cached_tokens"],
                held["tokens_counted_here"],
            ),
            cost_usd=Decimal(held["cost_usd"]),
            retry=held["retry"],
            seconds=held["seconds"],
            error=held["error"],
            answered_by=held["answered_by"],
            budgeted=held["budgeted"],
            run_budgeted=held.get(
                "run_budgeted", held["budgeted"]
            ),  # older lines tell both at once
            requests=held.get("requests", 1),  # lines of before batches have none
        )


def new_call_id(at: datetime) -> str:
    """Unique, and sortable by time."""
    return f"{at:%Y%m%dT%H%M%S%f}-{secrets.token_hex(6)}"


def line(entry: Entry) -> bytes:
    """The entry as one line of JSON."""
    return _dumped(entry.as_json()) + b"\n"


def of_run(run: str) -> bytes:
    """What every line of that run holds, and no line of another run."""
    return _dumped({"run": run})[1:-1]


def _fields(held: Entry | Purpose | Caller) -> dict[str, Any]:
    """What `dataclasses.asdict` gives for one level, without its deep copies."""
    return {name: getattr(held, name) for name in held.__dataclass_fields__}


def _dumped(held: Mapping[str, Any]) -> bytes:
    return json.dumps(held, ensure_ascii=False, separators=(",", ":")).encode()
