"""Local files: their URIs, their stamps, stable reading and atomic replacement."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

from include.errors import DocumentError, LakeError

# The kernel stamps files from a clock that ticks every 1-10 ms; 50 ms leaves room. A file system
# that keeps whole seconds (FAT: even ones) needs two. A file server's clock may run ahead of ours.
_TICK_NS = 50_000_000
_COARSE_TICK_NS = 2_000_000_000
_CLOCK_SKEW_NS = 60_000_000_000

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})
_NO_FILE = frozenset({errno.ENXIO, errno.ENODEV, errno.EISDIR})


def local_path(uri: str) -> Path:
    """The path a `file://` URI names; bytes that are not UTF-8 survive."""
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(uri).path)))


def file_uri(path: str | Path) -> str:
    """The `file://` URI of an absolute path, percent-encoded; the inverse of `local_path`."""
    return "file://" + quote(os.fsencode(path))


def stamp(status: os.stat_result) -> str:
    """Size and modification time in nanoseconds: equal stamps of a settled file, equal content."""
    return f"{status.st_size}-{status.st_mtime_ns}"


def is_settled(status: os.stat_result, now_ns: int) -> bool:
    """Whether any edit after `now_ns` must show in the modification time.

    A file system's clock ticks: two edits within one tick leave the same time ("racily clean",
    as git calls it). Times far in the future are settled too, because an edit sets the present.
    """
    modified = status.st_mtime_ns
    tick = _TICK_NS if modified % 1_000_000_000 else _COARSE_TICK_NS
    return not -_CLOCK_SKEW_NS < now_ns - modified < tick


def wait_until_settled(paths: Sequence[str], now_ns: int) -> None:
    """Sleeps out the clock tick of files modified in it, so that what is read can be trusted.

    That is 50 ms at most, however many files were written together. Coarser clocks are not
    waited for: their files stay untrusted for one run.
    """
    with suppress(OSError):  # whoever reads it next says what is wrong with it
        ages = [now_ns - os.stat(path).st_mtime_ns for path in paths]
        fresh = [age for age in ages if 0 <= age < _TICK_NS]
        if fresh:
            time.sleep((_TICK_NS - min(fresh)) / 1e9)


def read_stable(path: str, key: str, limit_bytes: int) -> tuple[bytes, os.stat_result]:
    """A regular file's bytes and the status it had before and after they were read.

    Never waits for a FIFO. Raises DocumentError: `vanished`, `unreadable`, `too_large`,
    `not_a_file`, or `changed_while_read` when it changed in two attempts.
    """
    for _ in range(2):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                before = os.fstat(descriptor)
                _refuse(before, key, limit_bytes)
                raw = file.read(before.st_size + 1)
                after = os.fstat(descriptor)
        except OSError as error:
            raise _document_error(error, key) from error
        if stamp(before) == stamp(after) and len(raw) == after.st_size:
            return raw, after
    raise DocumentError("changed_while_read", f"{key!r} kept changing while it was read.")


@contextmanager
def atomic_path(target: Path, *, replace: bool = True) -> Iterator[Path]:
    """A hidden path beside `target` to write to; it becomes `target` when the block succeeds.

    Without `replace`, only if there is no `target` yet.

    The content reaches the disk before it gets its name. A block that fails leaves `target` as it
    was and no temporary file behind. Raises LakeError when the disk refuses.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    with lake_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _to_disk(temporary)
            if replace:
                os.replace(temporary, target)
            else:
                with suppress(FileExistsError):
                    os.link(temporary, target)
                temporary.unlink()
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _to_disk(target.parent)


@contextmanager
def lake_errors(path: Path) -> Iterator[None]:
    """Turns what the file system refuses inside the block into LakeError, one sentence."""
    try:
        yield
    except OSError as error:
        remedy = "Free space" if error.errno in _FULL else "Correct it"
        raise LakeError(
            f"The lake cannot use {str(path)!r}: {error.strerror or error}. {remedy} or point "
            f"RAG_LAKE_URI elsewhere, then run again; what was finished is kept."
        ) from error


def _refuse(status: os.stat_result, key: str, limit_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise DocumentError("not_a_file", f"{key!r} is a folder, a pipe or a device, not a file.")
    if status.st_size > limit_bytes:
        raise DocumentError(
            "too_large",
            f"{key!r} has {status.st_size} bytes; at most {limit_bytes} are read. Split it or "
            f"raise RAG_MAX_DOCUMENT_MB.",
        )


def _document_error(error: OSError, key: str) -> DocumentError:
    if error.errno in _GONE:
        return DocumentError("vanished", f"{key!r} was listed but is no longer there.")
    if error.errno in _NO_FILE:
        return DocumentError("not_a_file", f"{key!r} is a socket or a device, not a file.")
    return DocumentError("unreadable", f"{key!r} cannot be read: {error.strerror or error}.")


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
