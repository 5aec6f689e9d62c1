"""An ObjectStore in memory: the reference the real ones are compared with, and a fake for tests."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

from include.errors import CommitConflictError
from include.storage.objects import Stored


class MemoryObjects:
    """An ObjectStore that lives as long as its process; safe between threads.

    Unlike a folder it names every write with a new etag, as a versioned bucket does.
    """

    def __init__(self) -> None:
        self._objects: dict[str, Stored] = {}
        self._lock = Lock()
        self._writes = 0

    def read(self, path: str) -> Stored | None:
        """The whole object, or None when there is none."""
        return self._objects.get(path)

    def write(self, path: str, data: bytes) -> str:
        """Replaces the object and returns its etag."""
        with self._lock:
            return self._put(path, data)

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        """Replaces the object only while it has this etag, else raises CommitConflictError."""
        with self._lock:
            current = self._objects.get(path)
            found = current.etag if current else None
            if found != etag:
                raise CommitConflictError(f"{path!r} should have etag {etag!r}, has {found!r}.")
            return self._put(path, data)

    def list(self, prefix: str = "") -> Iterator[str]:
        """The paths that start with `prefix`, sorted."""
        yield from sorted(path for path in self._objects if path.startswith(prefix))

    def delete(self, path: str) -> None:
        """Removes the object; does nothing when there is none."""
        with self._lock:
            self._objects.pop(path, None)

    def _put(self, path: str, data: bytes) -> str:
        self._writes += 1
        self._objects[path] = Stored(bytes(data), str(self._writes))
        return str(self._writes)
