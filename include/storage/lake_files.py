"""The lake's large files: written whole, listed, read and deleted, in a folder or in a bucket.

This is the seam behind artifacts, claims, erasure and the files of tables. Paths are relative to
the place that was opened, POSIX, and may hold hidden files of interrupted writes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl

from include.errors import LakeError
from include.storage.files import atomic_path, file_uri, lake_errors, local_path

if TYPE_CHECKING:
    from include.storage.s3_client import S3Access

BLOCK = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file as it was listed; `modified` is in seconds since the epoch."""

    path: str
    size: int
    modified: float

    @property
    def name(self) -> str:
        """The last component."""
        return self.path.rpartition("/")[2]


class LakeFiles(Protocol):
    """Files below one place. What is missing reads as None: another process may just have pruned it."""

    def uri(self, path: str) -> str:
        """The URI of a path."""
        ...

    def path(self, uri: str) -> str:
        """The path of a URI; the inverse of `uri`. Raises LakeError for one outside of the place."""
        ...

    def list(self, folder: str = "") -> Sequence[LakeFile]:
        """Every file below the folder, hidden ones included, sorted by path."""
        ...

    def folders(self, folder: str) -> Mapping[str, float]:
        """The folders directly below the folder, and when each was written to itself."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is a file."""
        ...

    def read(self, path: str) -> bytes | None:
        """The whole file, or None when there is none."""
        ...

    def blocks(self, path: str) -> Iterator[bytes]:
        """The file in blocks of bounded size; nothing when there is none."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Replaces the file; a reader never sees half."""
        ...

    def write_new(self, path: str, data: bytes) -> None:
        """Writes the file if there is none; of several writers the first one's stays."""
        ...

    def write_frame(self, path: str, frame: pl.DataFrame) -> None:
        """Replaces the file by the frame as Parquet; a reader never sees half."""
        ...

    def scan(self, paths: Sequence[str]) -> pl.LazyFrame:
        """The rows of Parquet files in this order, read when collected, and only what is asked for.

        Collecting raises FileNotFoundError for a file that is gone.
        """
        ...

    def delete(self, paths: Iterable[str]) -> None:
        """Deletes files; does nothing about those that are not there."""
        ...

    def remove(self, folder: str) -> None:
        """Deletes everything below the folder, and the folder."""
        ...

    def keeps_versions(self) -> bool:
        """Whether the store keeps what is deleted and replaced."""
        ...

    def forget_versions(self) -> int:
        """Deletes for good what was deleted or replaced before; how many versions."""
        ...


def open_files(uri: str, access: S3Access | None = None) -> LakeFiles:
    """The files below a `file://` or `s3://` URI, or below a plain path."""
    if uri.startswith("s3://"):
        from include.storage.s3_client import S3Access
        from include.storage.s3_files import S3Files
        from include.storage.s3_place import S3Place

        return S3Files(S3Place.of(uri), access or S3Access())
    return LocalFiles(local_path(uri) if uri.startswith("file://") else Path(uri))


class LocalFiles:
    """LakeFiles in a folder. Raises LakeError when the disk is full or refuses."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def uri(self, path: str) -> str:
        """The `file://` URI of a path."""
        return file_uri(self._root / path)

    def path(self, uri: str) -> str:
        """The path of a URI. Raises LakeError for one outside of the place."""
        path = local_path(uri)
        if not path.is_relative_to(self._root):
            raise LakeError(f"{uri} should lie in {file_uri(self._root)}: it is of another lake.")
        return str(path.relative_to(self._root))

    def list(self, folder: str = "") -> Sequence[LakeFile]:
        """Every file below the folder; one that vanishes meanwhile is left out."""
        with lake_errors(self._root / folder):
            found = [self._described(path) for path in (self._root / folder).rglob("*")]
        return sorted((each for each in found if each), key=lambda each: each.path)

    def folders(self, folder: str) -> Mapping[str, float]:
        """The folders directly below the folder; one that vanishes meanwhile is left out."""
        place, found = self._root / folder, {}
        with lake_errors(place):
            for each in place.iterdir() if place.is_dir() else ():
                with suppress(FileNotFoundError):
                    if each.is_dir():
                        found[each.name] = each.lstat().st_mtime
        return found

    def exists(self, path: str) -> bool:
        """Whether there is a file."""
        return (self._root / path).is_file()

    def read(self, path: str) -> bytes | None:
        """The whole file, or None when there is none."""
        with lake_errors(self._root / path):
            try:
                return (self._root / path).read_bytes()
            except FileNotFoundError:
                return None

    def blocks(self, path: str) -> Iterator[bytes]:
        """The file in blocks of 8 MiB."""
        with suppress(FileNotFoundError), (self._root / path).open("rb") as file:
            while block := file.read(BLOCK):
                yield block

    def write(self, path: str, data: bytes) -> None:
        """Replaces the file; it is on disk when this returns."""
        with atomic_path(self._root / path) as temporary:
            temporary.write_bytes(data)

    def write_new(self, path: str, data: bytes) -> None:
        """Writes the file if there is none, by a hard link; it is on disk when this returns."""
        with atomic_path(self._root / path, replace=False) as temporary:
            temporary.write_bytes(data)

    def write_frame(self, path: str, frame: pl.DataFrame) -> None:
        """Replaces the file by the frame as Parquet; it is on disk when this returns."""
        with atomic_path(self._root / path) as temporary:
            frame.write_parquet(temporary, compression="zstd", compression_level=1)

    def scan(self, paths: Sequence[str]) -> pl.LazyFrame:
        """The rows of Parquet files, read from disk when collected."""
        return pl.scan_parquet([self._root / path for path in paths], glob=False)

    def delete(self, paths: Iterable[str]) -> None:
        """Deletes files."""
        for path in paths:
            with lake_errors(self._root / path):
                (self._root / path).unlink(missing_ok=True)

    def remove(self, folder: str) -> None:
        """Deletes the folder with everything in it."""
        with lake_errors(self._root / folder), suppress(FileNotFoundError):
            shutil.rmtree(self._root / folder)

    def keeps_versions(self) -> bool:
        """A folder keeps nothing."""
        return False

    def forget_versions(self) -> int:
        """Does nothing."""
        return 0

    def _described(self, path: Path) -> LakeFile | None:
        try:
            if not path.is_file():
                return None
            status = path.lstat()
        except FileNotFoundError:
            return None
        return LakeFile(path.relative_to(self._root).as_posix(), status.st_size, status.st_mtime)
