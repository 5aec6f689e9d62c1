"""Lines of many writers, kept by day: `<folder>/<day>/<writer>-<number>.jsonl`.

Each process appends lines to a segment of its own, an object that it alone makes longer, by
conditional writes: writers never wait for each other and never lose each other's lines, and a write
that a network brings once more, late, undoes no later one. Anything that reads JSON lines reads them.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from datetime import date

from include.documents import digest
from include.errors import CommitConflictError
from include.storage.conflicts import persistently
from include.storage.objects import ObjectStore, Stored

SEGMENT_LINES = 64
"""Lines of a segment before the next one is begun: each write replaces the whole segment."""


class Segments:
    """Appends lines and reads them back; safe between threads, processes and machines.

    Lines can be taken out by others, or brought into one segment: a writer notices, and does not put
    back what was taken.
    """

    def __init__(self, objects: ObjectStore, folder: str) -> None:
        self._objects = objects
        self._folder = folder
        self._lock = threading.Lock()
        self._writer = ""
        self._process = 0
        self._number = 0
        self._day: date | None = None
        self._lines: list[bytes] = []
        self._etag: str | None = None

    def append(self, day: date, line: bytes) -> None:
        """Appends the line, which ends in a newline; it is durable when this returns.

        Raises LakeError if it cannot be.
        """
        with self._lock:
            self._begin_segment(day)
            try:
                self._replace([*self._lines, line])
            except CommitConflictError:
                self._begin_anew(day)
                self._replace([line])

    def days(self) -> list[date]:
        """The days that have lines, in order."""
        names = {path.split("/")[1] for path in self._objects.list(self._folder + "/")}
        return sorted(date.fromisoformat(name) for name in names)

    def of_day(self, day: date) -> list[tuple[str, list[bytes]]]:
        """The segments of a day: each one's path and its lines."""
        while True:
            paths = list(self._objects.list(f"{self._folder}/{day}/"))
            found = [(path, self._objects.read(path)) for path in paths]
            # One that is gone was merged since it was listed: list again.
            if all(stored for _, stored in found):
                return [(path, _lines(stored)) for path, stored in found]

    def merge(self, before: date) -> int:
        """Brings each earlier day's segments into one; returns how many were merged.

        Repeatable at any point: a line that stands in two segments counts once.
        """
        merged = 0
        for day in self.days():
            segments = self.of_day(day) if day < before else []
            if len(segments) > 1:
                data = b"".join(dict.fromkeys(each for _, lines in segments for each in lines))
                whole = f"{self._folder}/{day}/merged-{digest(self._folder, data)[:16]}.jsonl"
                self._objects.write(whole, data)
                for path, lines in segments:
                    # What was written meanwhile stays for the next time.
                    if path != whole and _lines(self._objects.read(path)) == lines:
                        self._objects.delete(path)
                merged += len(segments)
        return merged

    def forget(self, before: date) -> int:
        """Deletes the segments of earlier days; how many there were."""
        old = [path for day in self.days() if day < before for path, _ in self.of_day(day)]
        for path in old:
            self._objects.delete(path)
        return len(old)

    def take_out(self, unwanted: Callable[[bytes], bool]) -> list[bytes]:
        """Removes lines, whoever writes them meanwhile; returns them."""
        return [
            line
            for path in list(self._objects.list(self._folder + "/"))
            for line in persistently(lambda path=path: self._take_from(path, unwanted))  # type: ignore[misc]
        ]

    def _take_from(self, path: str, unwanted: Callable[[bytes], bool]) -> list[bytes]:
        stored = self._objects.read(path)
        lines = _lines(stored)
        gone = [line for line in lines if unwanted(line)]
        if stored and gone:
            kept = b"".join(line for line in lines if not unwanted(line))
            self._objects.write_if(path, kept, stored.etag)
        return gone

    def _replace(self, lines: list[bytes]) -> None:
        self._etag = self._objects.write_if(self._path(), b"".join(lines), self._etag)
        self._lines = lines

    def _begin_segment(self, day: date) -> None:
        if self._process != os.getpid():  # a forked process is another writer
            self._process, self._writer = os.getpid(), secrets.token_hex(8)
            self._number, self._day = 0, None
        if day != self._day or len(self._lines) >= SEGMENT_LINES:
            self._begin_anew(day)

    def _begin_anew(self, day: date) -> None:
        self._day, self._lines, self._etag = day, [], None
        self._number += 1

    def _path(self) -> str:
        return f"{self._folder}/{self._day}/{self._writer}-{self._number:06d}.jsonl"


def _lines(stored: Stored | None) -> list[bytes]:
    return stored.data.splitlines(keepends=True) if stored else []
