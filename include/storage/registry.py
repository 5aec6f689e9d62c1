"""The index registry: which index is live, and what is known of the others.

One small object, changed by compare-and-set, so that a switch or a rollback is one atomic write
and two processes never undo each other. At most one index is live and at most one is previous.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from include.errors import CommitConflictError, ConfigurationError, LakeError
from include.settings import VectorForm
from include.storage.objects import ObjectStore, Stored

State = Literal["building", "candidate", "live", "previous", "retired"]

_PATH = "registry.json"
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Index:
    """An index and what made it.

    `building` is not complete yet; `candidate` is, and waits for promotion; `previous` is what
    `rollback` returns to; `retired` may be dropped. `embedder` and `chunker` are identities,
    `run_id` the run that began it, `created_at` ISO 8601 in UTC, `evaluation` the last report.
    `settings` are the `RAG_*` values that make it (`Settings.with_index`). `missing` counts the
    documents that it lacked, or had in another version, when a run last looked. `promotion` says
    who made it live, when, and why although a gate refused; `retired_at` is when it was retired.
    `vectors` is the form in which they are stored; `cut_from` the embedder whose whole vectors they
    are the first dimensions of, "" where they are whole.
    """

    name: str
    state: State = "building"
    embedder: str = ""
    chunker: str = ""
    dimensions: int = 0
    run_id: str = ""
    created_at: str = ""
    documents: int = 0
    chunks: int = 0
    evaluation: Mapping[str, object] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    missing: int = 0
    promotion: Mapping[str, object] | None = None
    retired_at: str = ""
    vectors: VectorForm = "float32"
    cut_from: str = ""


def values_of(index: Index) -> Mapping[str, str]:
    """The `RAG_*` values that make a registered index; none where nobody wrote them down.

    An index that was registered before there was a choice stores its vectors as they are.
    """
    return {"RAG_INDEX_VECTORS": index.vectors, **index.settings} if index.settings else {}


@dataclass(frozen=True, slots=True)
class Entries:
    """The registry's whole content; every change is a pure function from one to the next."""

    indexes: Mapping[str, Index] = field(default_factory=dict)
    last_sync: Mapping[str, object] | None = None

    def in_state(self, state: State) -> Index | None:
        """The index in this state, or None; the first by name where several can be."""
        found = sorted(name for name, index in self.indexes.items() if index.state == state)
        return self.indexes[found[0]] if found else None

    def get(self, name: str) -> Index:
        """The index of this name. Raises ConfigurationError when there is none."""
        if name not in self.indexes:
            raise ConfigurationError(
                f"There is no index {name!r}; there are: {', '.join(sorted(self.indexes)) or 'none'}."
            )
        return self.indexes[name]

    def require_droppable(self, name: str) -> None:
        """Raises ConfigurationError for an index that is live or previous."""
        state = self.get(name).state
        if state in ("live", "previous"):
            raise ConfigurationError(
                f"Index {name!r} is {state}: only one that is a candidate, retired or building can "
                f"be dropped."
            )

    def put(self, *changed: Index) -> Entries:
        """These entries with the given indexes added or replaced."""
        return replace(self, indexes={**self.indexes, **{index.name: index for index in changed}})

    def switch(self, name: str, now: datetime | None = None) -> Entries:
        """`name` becomes live, what was live previous, and what was previous retired."""
        live, previous = self.in_state("live"), self.in_state("previous")
        if live and live.name == name:
            return self
        changed = [replace(self.get(name), state="live")]
        if live:
            changed.append(replace(live, state="previous"))
        if live and previous and previous.name != name:
            retired_at = (now or datetime.now(UTC)).astimezone(UTC).isoformat()
            changed.append(replace(previous, state="retired", retired_at=retired_at))
        return self.put(*changed)


class Registry:
    """The registry of a lake. Reading never waits; changes of several processes all survive."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def read(self) -> Entries:
        """Everything, as of now."""
        return _parsed(self._objects.read(_PATH))

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
            return _promoted(entries, name, promotion)

        self.change(promoted)

    def remove(self, name: str) -> None:
        """Forgets a candidate, or a retired or unfinished index.

        Raises ConfigurationError for one that is live or previous.
        """
        self.change(lambda now: _removed(now, name))

    def rollback(self) -> None:
        """Makes the previous index live again, and the live one previous.

        Doing it twice changes nothing. Raises ConfigurationError when there is no previous one.
        """
        self.change(_rolled_back)

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
            before = _parsed(stored)
            after = step(before)
            if after == before:
                return
            try:
                self._objects.write_if(_PATH, _rendered(after), stored.etag if stored else None)
                return
            except CommitConflictError:
                if attempt == _ATTEMPTS:
                    raise


def _promoted(
    entries: Entries, name: str, promotion: Mapping[str, object] | None = None
) -> Entries:
    state = entries.get(name).state
    if state == "live":
        return entries
    if state in ("building", "retired"):
        raise ConfigurationError(
            f"Index {name!r} is {state}; only a candidate or the previous index can become live."
        )
    if promotion is not None:
        entries = entries.put(replace(entries.get(name), promotion=promotion))
    return entries.switch(name)


def _removed(entries: Entries, name: str) -> Entries:
    entries.require_droppable(name)
    rest = {other: index for other, index in entries.indexes.items() if other != name}
    return replace(entries, indexes=rest)


def _rolled_back(entries: Entries) -> Entries:
    previous = entries.in_state("previous")
    if previous is None:
        raise ConfigurationError("There is no previous index to roll back to.")
    return entries.switch(previous.name)


def _rendered(entries: Entries) -> bytes:
    plain = {
        "indexes": [asdict(index) for _, index in sorted(entries.indexes.items())],
        "last_sync": entries.last_sync,
    }
    return json.dumps(plain, indent=1, ensure_ascii=False).encode()


def _parsed(stored: Stored | None) -> Entries:
    if stored is None:
        return Entries()
    try:
        plain = json.loads(stored.data)
        indexes = [Index(**index) for index in plain["indexes"]]
        return Entries({index.name: index for index in indexes}, plain["last_sync"])
    except (ValueError, TypeError, KeyError) as error:
        raise LakeError(
            f"{_PATH} of the lake is damaged ({error}): restore it from a backup. The indexes "
            f"themselves are in tables/ and are untouched."
        ) from error
