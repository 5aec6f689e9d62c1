"""Models behind an API: which ones, and how they are called."""

from __future__ import annotations

import re
from dataclasses import dataclass

from include.errors import ConfigurationError
from include.settings.reader import Reader

LEAST_COSINE = 0.8
"""Of a semantic cache: below it hardly any two questions are the same (docs/costs.md)."""


@dataclass(frozen=True, slots=True)
class ModelCalls:
    """How models behind an API are called: their rates, and how long answers are good for.

    The most requests and tokens a minute hold for each model; 0 is no limit. An identical request
    is answered from the cache for so many seconds; 0 is never. A question gets the answer of
    another one from a cosine of `semantic_cache` on, as long; 0 is never.
    """

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    response_cache_seconds: int = 86_400
    semantic_cache: float = 0.0

    @classmethod
    def read(cls, read: Reader) -> ModelCalls:
        """Raises ConfigurationError for a number out of range, and for a cache that keeps nothing."""
        keep = read.number("RAG_RESPONSE_CACHE_SECONDS", 86_400, 0, 31_536_000)
        return cls(
            read.number("RAG_LLM_REQUESTS_PER_MINUTE", 0, 0, 10_000_000),
            read.number("RAG_LLM_TOKENS_PER_MINUTE", 0, 0, 10_000_000_000),
            keep,
            _semantic_cache(read, keep),
        )


def _semantic_cache(read: Reader, keep_seconds: int) -> float:
    least = read.fraction("RAG_SEMANTIC_CACHE", 0.0)
    if 0 < least < LEAST_COSINE:
        raise ConfigurationError(
            f"RAG_SEMANTIC_CACHE should be 0 (off) or a cosine from {LEAST_COSINE} to 1, is "
            f"{least:g}: questions that are less alike ask for something else."
        )
    if least and not keep_seconds:
        raise ConfigurationError(
            f"RAG_SEMANTIC_CACHE is {least:g}, but RAG_RESPONSE_CACHE_SECONDS is 0, which keeps no "
            f"answer: set how many seconds answers are good for, or RAG_SEMANTIC_CACHE=0."
        )
    return least


def read_models(read: Reader, setting: str, order: str) -> str:
    """`none`, or `openai:a,openai:b` without white space."""
    value = read.text(setting, "none")
    names = [name.strip() for name in value.split(",")]
    for name in names:
        if value != "none" and not re.fullmatch(r"openai:\S+", name):
            raise ConfigurationError(
                f"{setting} should be none, or openai:<model>, several in the order {order} "
                f"separated by commas; it is {value!r}."
            )
    return ",".join(names)


def read_redis(read: Reader) -> str | None:
    """The URL of RAG_REDIS_URL. Raises ConfigurationError, without the URL in it, for another kind."""
    url = read.text("RAG_REDIS_URL", "")
    if url and not url.startswith(("redis://", "rediss://", "unix://")):
        raise ConfigurationError(
            "RAG_REDIS_URL should begin with redis://, rediss:// or unix://, as in "
            "redis://host:6379/0; it does not. It is not shown, for it may hold a password."
        )
    return url or None
