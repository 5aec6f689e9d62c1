"""Small objects of the lake: read whole, replaced atomically, compared and set.

This is the little that a folder and an S3 bucket have in common. Whoever changes shared state
reads it with its etag and writes it back under that condition; the loser of a race gets
CommitConflictError and starts again from the newer state.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from include.documents import digest
from include.errors import CommitConflictError, LakeError
from include.storage.files import atomic_path, lake_errors

_LOCKS = 64


@dataclass(frozen=True, slots=True)
class Stored:
    """An object's bytes and the etag that names exactly them."""

    data: bytes
    etag: str


class ObjectStore(Protocol):
    """Named bytes under one root. Paths are relative and POSIX; no component starts with a dot."""

    def read(self, path: str) -> Stored | None:
        """The whole object, or None when there is none."""
        ...

    def write(self, path: str, data: bytes) -> str:
        """Replaces the object whatever it holds and returns its etag; a reader never sees half."""
        ...

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        """Replaces the object only while it has this etag; None means it must not exist yet.

        Returns the new etag. Raises CommitConflictError, with nothing written, when another writer
        came first.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """The paths that start with `prefix`, sorted."""
        ...

    def delete(self, path: str) -> None:
        """Removes the object; does nothing when there is none."""
        ...


class LocalObjects:
    """An ObjectStore in a folder, safe between the processes that share it.

    Writers of one path take turns by `flock`, which the kernel releases when its owner dies.
    Readers never wait. Raises LakeError when the disk is full or not writable.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> Stored | None:
        """The whole object, or None when there is none; never waits for a writer."""
        target = self._target(path)
        with lake_errors(target):
            try:
                data = target.read_bytes()
            except FileNotFoundError:
                return None
        return Stored(data, _etag(data))

    def write(self, path: str, data: bytes) -> str:
        """Replaces the object; it is on disk when this returns."""
        with self._locked(path):
            return self._replace(path, data)

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        """Replaces the object only while it has this etag, else raises CommitConflictError."""
        with self._locked(path):
            current = self.read(path)
            found = current.etag if current else None
            if found != etag:
                raise CommitConflictError(
                    f"{str(self._target(path))!r} should have etag {etag!r}, has {found!r}: "
                    f"another writer came first; read it again and repeat the change."
                )
            return self._replace(path, data)

    def list(self, prefix: str = "") -> Iterator[str]:
        """The paths that start with `prefix`, sorted; reads only the folder the prefix names."""
        folder = self._root / prefix.rpartition("/")[0]
        with lake_errors(folder):
            files = [file for file in folder.rglob("*") if file.is_file()]
        paths = (file.relative_to(self._root).as_posix() for file in files)
        yield from sorted(
            path for path in paths if path.startswith(prefix) and "/." not in "/" + path
        )

    def delete(self, path: str) -> None:
        """Removes the object; does nothing when there is none."""
        with self._locked(path), lake_errors(self._target(path)):
            self._target(path).unlink(missing_ok=True)

    def _replace(self, path: str, data: bytes) -> str:
        with atomic_path(self._target(path)) as temporary:
            temporary.write_bytes(data)
        return _etag(data)

    def _target(self, path: str) -> Path:
        require_plain(path)
        return self._root.joinpath(*path.split("/"))

    @contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        # A fixed number of lock files: one per path would litter the lake, a single one would
        # make the writers of all paths wait for each other's fsync.
        number = int(digest("lock", path)[:8], 16) % _LOCKS
        lock = self._root / ".locks" / f"{number:02d}"
        with lake_errors(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with lake_errors(lock):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def require_plain(path: str) -> None:
    """Raises LakeError for a path that could leave the lake, or hide in it."""
    if any(part == "" or part.startswith(".") for part in path.split("/")):
        raise LakeError(
            f"An object's path should be relative, with no component that is empty or "
            f"starts with a dot, is {path!r}."
        )


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
