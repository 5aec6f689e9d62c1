"""Smaller groups of settings."""

from __future__ import annotations

from dataclasses import dataclass


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
