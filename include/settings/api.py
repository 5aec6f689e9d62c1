"""The HTTP API: who may ask, as whom, how often, and how long an answer may take."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from include.errors import ConfigurationError
from include.metadata import parse_labels
from include.settings.reader import Reader

SHORTEST_KEY = 16
_KEY = re.compile(r"[A-Za-z0-9._~+/=-]+")
_ANY = "*"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A bearer key, and the access labels that it may read as; None is every document.

    Its repr does not show it.
    """

    secret: str = field(repr=False)
    labels: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Without keys the API listens on loopback only; 0 requests a minute is no limit.

    `metrics_key` opens /metrics and nothing else; "" where there is none.

    A conversation that nobody goes on with is forgotten after `session_seconds`.
    """

    keys: tuple[ApiKey, ...]
    requests_per_minute: int
    timeout_seconds: int
    session_seconds: int
    metrics_key: str = field(repr=False)

    @classmethod
    def read(cls, read: Reader) -> ApiSettings:
        """Raises ConfigurationError, without a key in it, for one that cannot be used."""
        entries = read.text("RAG_API_KEYS", "").replace(",", " ").split()
        keys = tuple(_key(entry, number) for number, entry in enumerate(entries, start=1))
        if len({key.secret for key in keys}) != len(keys):
            raise ConfigurationError("RAG_API_KEYS holds the same key twice: keep one entry of it.")
        metrics_key = read.text("RAG_METRICS_KEY", "")
        if metrics_key:
            _require_key(metrics_key, "RAG_METRICS_KEY")
        if metrics_key in {key.secret for key in keys}:
            raise ConfigurationError(
                "RAG_METRICS_KEY should be a key of its own, it is in RAG_API_KEYS, too, and cannot be "
                "both: make another with `openssl rand -base64 32`."
            )
        return cls(
            keys,
            read.number("RAG_API_REQUESTS_PER_MINUTE", 0, 0, 10_000_000),
            read.number("RAG_API_TIMEOUT_SECONDS", 120, 1, 3_600),
            read.number("RAG_API_SESSION_MINUTES", 1_440, 1, 525_600) * 60,
            metrics_key,
        )


def _key(entry: str, number: int) -> ApiKey:
    """`<key>`, `<key>|<label>|<label>`, or `<key>|*` for everything."""
    secret, *labels = entry.split("|")
    _require_key(secret, f"RAG_API_KEYS, entry {number}")
    if labels == [_ANY]:
        return ApiKey(secret, None)
    if _ANY in labels or "" in labels:
        raise ConfigurationError(
            f"RAG_API_KEYS, entry {number}: behind the key should stand labels, each after a |, or "
            f"|* alone; there stands {'|' + '|'.join(labels)!r}."
        )
    return ApiKey(secret, parse_labels(",".join(labels), "RAG_API_KEYS"))


def _require_key(secret: str, name: str) -> None:
    if len(secret) < SHORTEST_KEY or not _KEY.fullmatch(secret):
        raise ConfigurationError(
            f"{name}: a key should have at least {SHORTEST_KEY} letters, digits and . _ ~ + / = -, it "
            f"has {len(secret)} characters. Make one with `openssl rand -base64 32`."
        )
