"""Upkeep: small files merged, indexes brought up to date, old versions and artifacts removed.

Nothing here changes an answer. Versions and artifacts younger than the retention stay, so that a
reader or a retried task never loses what it works on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from include.observability.log import stage
from include.storage.lake import Lake
from include.vectorstore.protocol import VectorStore


class Compactable(Protocol):
    """A table that can be compacted and pruned."""

    def optimize(self, older_than: timedelta) -> None:
        """Compacts small files and prunes versions older than that."""
        ...


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Every table of the lake, and the store with its indexes."""

    tables: Sequence[Compactable]
    store: VectorStore


@dataclass(frozen=True, slots=True)
class Compacted:
    """How many tables and indexes were compacted."""

    tables: int
    indexes: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many runs' artifacts were deleted."""

    runs: int


def compact(upkeep: Upkeep, *, older_than: timedelta) -> Compacted:
    """Compacts every table and index, and prunes versions older than that."""
    with stage("compact") as event:
        for table in upkeep.tables:
            table.optimize(older_than)
        indexes = upkeep.store.indexes()
        for index in indexes:
            upkeep.store.optimize(index, older_than)
        event |= {"tables": len(upkeep.tables), "indexes": len(indexes)}
        return Compacted(tables=len(upkeep.tables), indexes=len(indexes))


def prune(lake: Lake, *, before: datetime) -> Pruned:
    """Deletes the artifacts of runs whose last file was written before that moment."""
    with stage("prune") as event:
        runs = lake.remove_runs(before)
        event |= {"runs": len(runs)}
        return Pruned(runs=len(runs))
