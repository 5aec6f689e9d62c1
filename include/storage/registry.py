"""The index registry: which index is live, and what is known of the others.

One small object, changed by compare-and-set, so that a switch or a rollback is one atomic write
and two processes never undo each other. At most one index is live and at most one is previous.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from include.errors import CommitConflictError, LakeError
from include.storage.index_entries import Entries, Index, parsed
from include.storage.objects import ObjectStore, Stored

_PATH = "registry.json"
_ATTEMPTS = 20


class Registry:
    """The registry of a lake. Reading never waits; changes of several processes all survive."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def read(self) -> Entries:
        """Everything, as of now."""
        return _entries(self._objects.read(_PATH))

    def indexes(self) -> Sequence[Index]:
        """All indexes, sorted by name."""
        return [index for _, index in sorted(self.read().indexes.items())]

    def get(self, name: str) -> Index:
        """The index of this name. Raises ConfigurationError when there is none."""
        return self.read().get(name)

    def live(self) -> Index | None:
        """The index that answers searches, or None before the first."""
        return self.read().in_state("live")

    def last_sync(self) -> Mapping[str, object] | None:
        """`run_id`, `index` and `finished_at` of the last finished sync, or None."""
        return self.read().last_sync

    def add(self, index: Index) -> None:
        """Registers an index; does nothing when its name is known already."""
        self.change(lambda now: now if index.name in now.indexes else now.put(index))

    def update(self, name: str, /, **facts: Any) -> None:
        """Sets fields of an index, but not its name, nor its state to or from live.

        Raises ConfigurationError when there is no such index.
        """

        def updated(entries: Entries) -> Entries:
            index = replace(entries.get(name), **facts)
            if index.name != name or (index.state == "live") != (entries.get(name).state == "live"):
                raise ValueError(f"Only `promote` changes what is live, and names stay: {facts!r}.")
            return entries.put(index)

        self.change(updated)

    def promote(
        self,
        name: str,
        promotion: Mapping[str, object] | None = None,
        *,
        check: Callable[[Entries], None] = lambda _: None,
    ) -> None:
        """Makes an index live; what was live can be rolled back to. `promotion` is kept with it.

        Does nothing when it is live. Raises ConfigurationError for an index that is unknown,
        still building, or retired: its rows may be incomplete or gone. `check` raises what forbids
        it; it sees the entries that the switch changes, whoever else changes them meanwhile.
        """

        def promoted(entries: Entries) -> Entries:
            check(entries)
            return entries.promoted(name, promotion)

        self.change(promoted)

    def remove(self, name: str) -> None:
        """Forgets a candidate, or a retired or unfinished index.

        Raises ConfigurationError for one that is live or previous.
        """
        self.change(lambda now: now.without(name))

    def rollback(self) -> None:
        """Makes the previous index live again, and the live one previous.

        Doing it again goes forward again. Raises ConfigurationError when there is no previous one.
        """
        self.change(Entries.rolled_back)

    def record_sync(
        self, index: str, run_id: str, now: datetime, *, switch: bool = True, **facts: Any
    ) -> None:
        """The index holds what the source holds, as of this run.

        It is live from now on with `switch`, or when none is. Without, a run that began before a
        promotion takes nothing back. An unknown index is registered first; `facts` are fields of
        Index to set.
        """
        moment = now.astimezone(UTC).isoformat()
        sync = {"run_id": run_id, "index": index, "finished_at": moment}

        def recorded(entries: Entries) -> Entries:
            fresh = Index(index, run_id=run_id, created_at=moment)
            known = entries.indexes.get(index, fresh)
            after = entries.put(replace(known, **facts))
            if switch or after.in_state("live") is None:
                after = after.switch(index, now)
            return replace(after, last_sync=sync)

        self.change(recorded)

    def change(self, step: Callable[[Entries], Entries]) -> None:
        """Applies a pure step to the newest entries; writes nothing when it changes nothing.

        Raises CommitConflictError, to be tried again later, only when other writers win 20 times.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            stored = self._objects.read(_PATH)
            before = _entries(stored)
            after = step(before)
            if after == before:
                return
            try:
                self._objects.write_if(_PATH, after.rendered(), stored.etag if stored else None)
                return
            except CommitConflictError:
                if attempt == _ATTEMPTS:
                    raise


def _entries(stored: Stored | None) -> Entries:
    try:
        return parsed(stored.data) if stored else Entries()
    except (ValueError, TypeError, KeyError) as error:
        raise LakeError(
            f"{_PATH} of the lake is damaged ({error}): restore it from a backup. The indexes "
            f"themselves are in tables/ and are untouched."
        ) from error
