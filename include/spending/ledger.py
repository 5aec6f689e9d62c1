"""The ledger: every call to a paid model, written down before it is made and again after it.

Each process appends lines to a segment of its own, an object that it alone replaces as a whole:
writers never wait for each other, never lose each other's lines, and need nothing but the atomic
writes that a folder and a bucket both have. A line never changes; what became of a call is a
second line with its id. `ledger/<day>/<writer>-<number>.jsonl` is read by anything that reads
JSON lines.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from include.documents import digest
from include.errors import LakeError
from include.spending.entries import RESERVED, Entry, line, of_run
from include.storage.objects import ObjectStore

FOLDER = "ledger"
SEGMENT_LINES = 64
"""Lines of a segment before the next one is begun: each write replaces the whole segment."""


class Ledger:
    """Appends entries and reads them back; safe between threads, processes and machines."""

    name = FOLDER

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._writer = ""
        self._process = 0
        self._number = 0
        self._day: date | None = None
        self._lines: list[bytes] = []

    def write(self, entry: Entry) -> None:
        """Appends the entry; it is durable when this returns. Raises LakeError if it cannot be."""
        with self._lock:
            self._begin_segment(entry.at.astimezone(UTC).date())
            lines = [*self._lines, line(entry)]
            self._objects.write(self._path(), b"".join(lines))
            self._lines = lines

    def entries(
        self, since: date, until: date | None = None, *, run: str | None = None
    ) -> Iterator[Entry]:
        """The calls begun on these days (UTC, both included), each as it stands now.

        With `run` only that run's; lines of others are passed over without being parsed.
        """
        day, last = since, until or today_utc()
        while day <= last:
            yield from self._of_day(day, run)
            day += timedelta(days=1)

    def days(self) -> list[date]:
        """The days that have entries, in order."""
        names = {path.split("/")[1] for path in self._objects.list(FOLDER + "/")}
        return sorted(date.fromisoformat(name) for name in names)

    def spent(self, since: date, *, run: str | None = None) -> Decimal:
        """What the calls since that day cost, reserved ones included; those of a run if named."""
        return total(self.entries(since, run=run))

    def merge(self, before: date) -> int:
        """Brings each earlier day's segments into one; returns how many were merged.

        Repeatable at any point: a line that stands in two segments counts once.
        """
        merged = 0
        for day in self.days():
            segments = self._segments(day) if day < before else []
            if len(segments) > 1:
                data = b"".join(dict.fromkeys(each for _, lines in segments for each in lines))
                whole = f"{FOLDER}/{day}/merged-{digest('ledger', data)[:16]}.jsonl"
                self._objects.write(whole, data)
                for path, _ in segments:
                    if path != whole:
                        self._objects.delete(path)
                merged += len(segments)
        return merged

    def optimize(self, older_than: timedelta) -> None:
        """Merges the segments of days that no call can still be settled on."""
        self.merge(today_utc() - max(older_than, timedelta(days=2)))

    def _of_day(self, day: date, run: str | None) -> list[Entry]:
        latest: dict[str, Entry] = {}
        sign = b"" if run is None else of_run(run)
        for path, lines in self._segments(day):
            for raw in lines:
                if sign not in raw:
                    continue
                entry = _parsed(raw, path)
                if entry.status != RESERVED or entry.id not in latest:
                    latest[entry.id] = entry
        return sorted(latest.values(), key=lambda entry: entry.id)

    def _segments(self, day: date) -> list[tuple[str, list[bytes]]]:
        while True:
            paths = list(self._objects.list(f"{FOLDER}/{day}/"))
            found = [(path, self._objects.read(path)) for path in paths]
            # One that is gone was merged since it was listed: list again.
            if all(stored for _, stored in found):
                return [
                    (path, stored.data.splitlines(keepends=True))
                    for path, stored in found
                    if stored
                ]

    def _begin_segment(self, day: date) -> None:
        if self._process != os.getpid():  # a forked process is another writer
            self._process, self._writer = os.getpid(), secrets.token_hex(8)
            self._number, self._day = 0, None
        if day != self._day or len(self._lines) >= SEGMENT_LINES:
            self._day, self._lines = day, []
            self._number += 1

    def _path(self) -> str:
        return f"{FOLDER}/{self._day}/{self._writer}-{self._number:06d}.jsonl"


def today_utc() -> date:
    """The day that the ledger and budgets count by."""
    return datetime.now(UTC).date()


def total(entries: Iterable[Entry]) -> Decimal:
    """The exact sum of their costs."""
    return sum((entry.cost_usd for entry in entries), Decimal(0))


def _parsed(raw: bytes, path: str) -> Entry:
    try:
        return Entry.from_json(json.loads(raw))
    except (ValueError, KeyError, TypeError, ArithmeticError):
        raise LakeError(
            f"{path} should hold one entry of the ledger a line, has {raw[:80]!r}: restore it "
            f"from a backup, or remove that line (its cost is then missing from every sum)."
        ) from None
