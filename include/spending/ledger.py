"""The ledger: every call to a paid model, written down before it is made and again after it.

It is kept in segments of JSON lines (`include/storage/segments.py`), `ledger/<day>/<writer>-<n>.jsonl`.
A line never changes; what became of a call is a second line with its id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from include.errors import LakeError
from include.spending.entries import RESERVED, Entry, line, of_run
from include.storage.objects import ObjectStore
from include.storage.segments import Segments

FOLDER = "ledger"


class Ledger:
    """Appends entries and reads them back; safe between threads, processes and machines."""

    name = FOLDER

    def __init__(self, objects: ObjectStore) -> None:
        self.segments = Segments(objects, FOLDER)

    def write(self, entry: Entry) -> None:
        """Appends the entry; it is durable when this returns. Raises LakeError if it cannot be."""
        self.segments.append(entry.at.astimezone(UTC).date(), line(entry))

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
        return self.segments.days()

    def spent(self, since: date, *, run: str | None = None) -> Decimal:
        """What the calls since that day cost, reserved ones included; those of a run if named."""
        return total(self.entries(since, run=run))

    def merge(self, before: date) -> int:
        """Brings each earlier day's segments into one; returns how many were merged."""
        return self.segments.merge(before)

    def optimize(self, older_than: timedelta) -> None:
        """Merges the segments of days that no call can still be settled on."""
        self.merge(today_utc() - max(older_than, timedelta(days=2)))

    def _of_day(self, day: date, run: str | None) -> list[Entry]:
        latest: dict[str, Entry] = {}
        sign = b"" if run is None else of_run(run)
        for path, lines in self.segments.of_day(day):
            for raw in lines:
                if sign not in raw:
                    continue
                entry = _parsed(raw, path)
                if entry.status != RESERVED or entry.id not in latest:
                    latest[entry.id] = entry
        return sorted(latest.values(), key=lambda entry: entry.id)


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
