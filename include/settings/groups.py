"""Smaller groups of settings."""

from __future__ import annotations

from dataclasses import dataclass

from include.settings.reader import Reader


@dataclass(frozen=True, slots=True)
class GateSettings:
    """When a run is refused as a whole."""

    max_bad_fraction: float


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long things are kept: unused vectors in the cache for so many days, 0 is for ever."""

    cache_keep_days: int


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How results are picked: `deduplicate` keeps one document of each near-duplicate group."""

    deduplicate: bool


@dataclass(frozen=True, slots=True)
class QueryLogSettings:
    """What is kept of people's queries (`off`, `hashed`, `text`), and for how many days."""

    keeps: str
    keep_days: int

    @classmethod
    def read(cls, read: Reader) -> QueryLogSettings:
        """Nothing is kept unless it is asked for."""
        return cls(
            read.choice("RAG_QUERY_LOG", "off", ("off", "hashed", "text")),
            read.number("RAG_QUERY_LOG_KEEP_DAYS", 30, 1, 3_650),
        )
