"""What is known of indexes, and how that changes: pure, from one state of the registry to the next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from include.errors import ConfigurationError
from include.settings import VectorForm

State = Literal["building", "candidate", "live", "previous", "retired"]


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

    def promoted(self, name: str, promotion: Mapping[str, object] | None = None) -> Entries:
        """`name` is live, with what is said about its promotion; as they are when it was live."""
        state = self.get(name).state
        if state == "live":
            return self
        if state in ("building", "retired"):
            raise ConfigurationError(
                f"Index {name!r} is {state}; only a candidate or the previous index can become live."
            )
        if promotion is None:
            return self.switch(name)
        return self.put(replace(self.get(name), promotion=promotion)).switch(name)

    def rolled_back(self) -> Entries:
        """The previous index is live again. Raises ConfigurationError when there is none."""
        previous = self.in_state("previous")
        if previous is None:
            raise ConfigurationError("There is no previous index to roll back to.")
        return self.switch(previous.name)

    def without(self, name: str) -> Entries:
        """These entries without an index that is neither live nor previous."""
        self.require_droppable(name)
        rest = {other: index for other, index in self.indexes.items() if other != name}
        return replace(self, indexes=rest)

    def rendered(self) -> bytes:
        """As they are stored: JSON."""
        plain = {
            "indexes": [asdict(index) for _, index in sorted(self.indexes.items())],
            "last_sync": self.last_sync,
        }
        return json.dumps(plain, indent=1, ensure_ascii=False).encode()


def parsed(stored: bytes) -> Entries:
    """What `rendered` gave. Raises ValueError, TypeError or KeyError for anything else."""
    plain = json.loads(stored)
    indexes = [Index(**index) for index in plain["indexes"]]
    return Entries({index.name: index for index in indexes}, plain["last_sync"])
