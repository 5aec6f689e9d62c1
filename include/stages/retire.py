"""Dropping indexes that were retired long enough ago; their vectors stay in the cache.

Never one that answers, that `rollback` returns to, or that waits to be promoted. The table goes
first and the entry after it: a kill in between leaves an entry with which the next run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from include.observability.log import stage
from include.storage.index_entries import Index
from include.storage.registry import Registry
from include.vectorstore.protocol import VectorStore


@dataclass(frozen=True, slots=True)
class Retired:
    """The names of the indexes that were dropped."""

    dropped: tuple[str, ...]


def drop(registry: Registry, store: VectorStore, name: str) -> None:
    """Deletes an index that is a candidate, retired, or was never finished.

    Raises ConfigurationError for one that is live or previous.
    """
    registry.read().require_droppable(name)
    store.drop(name)
    registry.remove(name)


def drop_retired(registry: Registry, store: VectorStore, *, before: datetime) -> Retired:
    """Drops every index that was retired before that moment."""
    with stage("retire") as event:
        due = tuple(each.name for each in registry.indexes() if _is_due(each, before))
        for name in due:
            drop(registry, store, name)
        event |= {"dropped": len(due)}
        return Retired(due)


def _is_due(index: Index, before: datetime) -> bool:
    if index.state != "retired" or not index.retired_at:
        return False
    return datetime.fromisoformat(index.retired_at) < before
