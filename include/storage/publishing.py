"""Marks of publishes that have begun: what a run leaves behind that dies before its record.

A publish changes the index in one commit and the manifest in another. Should the process die in
between, and the source change before the next run, the index would hold what neither the manifest
nor the listing knows. So a run leaves a mark before its first commit and takes it away after the
record; a run that finds a mark compares the whole index with the manifest (`stages/detect`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from include.errors import LakeError
from include.storage.lake import path_name
from include.storage.objects import ObjectStore

AT_WORK_SECONDS = 6 * 3600
"""So long another run's mark is left alone: more than a publish with all its retries may take."""

_FOLDER = "publishing/"


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of one run: where it lies, the index it writes to, and when it began."""

    path: str
    index: str
    began: datetime


class PublishMarks:
    """The marks in a lake, one small object each."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def begin(self, run_id: str, index: str, now: datetime) -> None:
        """Leaves the run's mark; a repetition renews it."""
        mark = {"run_id": run_id, "index": index, "began": now.isoformat()}
        self._objects.write(_path(run_id), json.dumps(mark).encode())

    def end(self, run_id: str) -> None:
        """Takes the run's mark away: what it did is recorded."""
        self._objects.delete(_path(run_id))

    def marks(self, index: str | None = None) -> list[Mark]:
        """All marks, or those of one index. Raises LakeError for one that cannot be read."""
        found = [self._read(path) for path in self._objects.list(_FOLDER)]
        return [mark for mark in found if mark and index in (None, mark.index)]

    def settle(self, index: str, now: datetime) -> None:
        """Takes away the marks of dead runs, after a run that compared index and manifest.

        A young mark stays: its run may be about to commit.
        """
        for mark in self.marks(index):
            if (now - mark.began).total_seconds() > AT_WORK_SECONDS:
                self._objects.delete(mark.path)

    def _read(self, path: str) -> Mark | None:
        stored = self._objects.read(path)
        if stored is None:
            return None
        try:
            held = json.loads(stored.data)
            return Mark(path, held["index"], datetime.fromisoformat(held["began"]).astimezone(UTC))
        except (ValueError, TypeError, KeyError):
            raise LakeError(
                f"{path} in the lake should say which run publishes into which index, is "
                f"{stored.data[:80]!r}. Run `python -m include verify --repair`, then delete it."
            ) from None


def _path(run_id: str) -> str:
    return f"{_FOLDER}{path_name(run_id)}.json"
