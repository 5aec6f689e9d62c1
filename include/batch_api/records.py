"""Batches as the lake remembers them: one object each, changed only by compare-and-set.

    planned ──▶ sending ──▶ sent ──▶ over
       ▲           │
       └───────────┘  surely not created

`planned` holds texts that nobody else may put into a batch. Only whoever changes it to `sending`
may create it at the provider; `sending` is all that is left of one who died there. `over` is kept for
the runs that wait for it, without its texts' hashes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from include.batch_api.requests import Request
from include.errors import CommitConflictError, LakeError
from include.storage.objects import ObjectStore

FOLDER = "batches"
PLANNED, SENDING, SENT, OVER = "planned", "sending", "sent", "over"


@dataclass(frozen=True, slots=True)
class Record:
    """One batch. `since` is when it came into its state, by the clock of whoever changed it.

    `texts` is the artifact that holds its texts; `entry` the ledger's entry while it is not settled.
    """

    key: str
    state: str
    since: datetime
    texts: str
    requests: tuple[Request, ...]
    attempt: int = 0
    file_id: str = ""
    provider_id: str = ""
    entry: Mapping[str, Any] | None = None
    status: str = ""
    embedded: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    cost_usd: str = "0"
    etag: str | None = field(default=None, compare=False)

    @property
    def hashes(self) -> Iterator[str]:
        """Those of all its texts."""
        return (name for request in self.requests for name in request.hashes)

    @property
    def tokens(self) -> int:
        """All tokens of all its texts."""
        return sum(each.tokens for each in self.requests)


class BatchRecords:
    """The batches of one embedder."""

    def __init__(self, objects: ObjectStore, embedder: str) -> None:
        self._objects = objects
        self._folder = f"{FOLDER}/{embedder}/"

    def read(self, key: str) -> Record | None:
        """The batch as it stands, or None when there is none."""
        return _read(self._objects, self.path(key))

    def path(self, key: str) -> str:
        """Where it lies in the lake."""
        return f"{self._folder}{key}.json"

    def unfinished(self) -> Iterator[Record]:
        """All that are not over, whoever planned them."""
        for path in list(self._objects.list(self._folder)):
            record = _read(self._objects, path)
            if record is not None and record.state != OVER:
                yield record

    def put(self, record: Record, **changes: Any) -> Record:
        """The record with these changes, written. Raises CommitConflictError if it is not as read."""
        changed = replace(record, **changes)
        held = asdict(changed) | {"since": changed.since.isoformat()}
        del held["etag"]
        data = json.dumps(held).encode()
        etag = self._objects.write_if(self.path(record.key), data, record.etag)
        return replace(changed, etag=etag)

    def change(self, record: Record, **changes: Any) -> Record:
        """The changed record, or what another process has made of it meanwhile."""
        try:
            return self.put(record, **changes)
        except CommitConflictError:
            return self.read(record.key) or record


class BatchUpkeep:
    """What maintenance does: forgets batches that are over, and plans that nobody carried out."""

    name = FOLDER

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def optimize(self, older_than: timedelta) -> None:
        """Deletes them when they are older; what is at the provider stays."""
        before = datetime.now(UTC) - older_than
        for path in list(self._objects.list(f"{FOLDER}/")):
            record = _read(self._objects, path)
            if record and record.state in (PLANNED, OVER) and record.since < before:
                self._objects.delete(path)


def _read(objects: ObjectStore, path: str) -> Record | None:
    stored = objects.read(path)
    if stored is None:
        return None
    try:
        held = json.loads(stored.data)
        requests = tuple(
            Request(each["custom_id"], tuple(each["hashes"]), int(each["tokens"]))
            for each in held.pop("requests")
        )
        since = datetime.fromisoformat(held.pop("since")).astimezone(UTC)
        return Record(**held, since=since, requests=requests, etag=stored.etag)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LakeError(
            f"{path} in the lake should describe a batch at the provider, is {stored.data[:80]!r}. "
            f"See in the provider's own list whether the batch is there, then delete the object: "
            f"its texts are embedded by the next run."
        ) from None
