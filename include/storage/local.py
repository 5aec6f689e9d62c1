"""A folder as a source: `file://`.

Keys are POSIX paths relative to the folder. In them a percent sign and bytes that are not UTF-8
are percent-encoded, so that every file name has exactly one key and every key one file. A stamp
is size and modification time, or empty while the file is too fresh for them to tell (see
`include.storage.files.is_settled`): the next run reads it once more and trusts it from then on.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

from include.documents import SourceObject
from include.errors import DocumentError, SourceError
from include.observability.log import warn
from include.storage.files import (
    file_uri,
    is_settled,
    local_path,
    read_stable,
    stamp,
    wait_until_settled,
)
from include.storage.naming import Selection, is_litter, sidecar_names, stem
from include.storage.source import SIDECAR, SourceContent

_DANGLING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_UNDECODABLE = re.compile("[\udc80-\udcff]")
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LocalSource:
    """The regular files below a folder, hidden and temporary ones left out.

    `include` and `exclude` are patterns as in `.gitignore`; an excluded folder is not entered.
    Links to files inside the folder are followed; links to folders or out of the source are left
    out and reported. `clock` gives nanoseconds since the epoch.
    """

    def __init__(
        self,
        uri: str,
        include: Sequence[str] = ("**",),
        exclude: Sequence[str] = (),
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._uri = uri.rstrip("/")
        self._root = os.path.realpath(local_path(self._uri))
        self._selection = Selection(include, exclude)
        self._clock = clock
        self._skipped: Counter[str] = Counter()

    @property
    def uri(self) -> str:
        """The folder as a `file://` URI, as it was configured."""
        return self._uri

    @property
    def skipped(self) -> Mapping[str, int]:
        """How many links, special files and lonely sidecars the last listing left out."""
        return dict(self._skipped)

    def list(self) -> Iterator[SourceObject]:
        """Every document below the folder, in the file system's order; opens none of them."""
        self._skipped.clear()
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                yield from self._folder(folder, folders)
            except OSError as error:
                raise self._unlistable(folder, error) from error
        if self._skipped:
            counts = ", ".join(f"{count} {reason}" for reason, count in self._skipped.items())
            warn(f"Source {self._uri} holds entries that cannot be documents, left out: {counts}.")

    def read(self, key: str, limit_bytes: int, *, sidecar: bool = True) -> SourceContent:
        """The document and its sidecar; waits up to a clock tick for one written just now."""
        path = os.path.join(self._root, os.fsdecode(unquote_to_bytes(key)))
        if not self._holds(path):
            raise DocumentError("not_a_file", f"{key!r} leads out of the source {self._uri}.")
        names = sidecar_names(path) if sidecar else ()
        beside = next((name for name in names if self._is_sidecar(name)), None)
        wait_until_settled([path, beside] if beside else [path], self._clock())
        now = self._clock()
        raw, status = read_stable(path, key, limit_bytes)
        if not beside:
            return SourceContent(raw, _stamps(status, None, now)[0])
        metadata, sidecar_status = read_stable(beside, key + SIDECAR, limit_bytes)
        document_stamp, sidecar_stamp = _stamps(status, sidecar_status, now)
        return SourceContent(raw, document_stamp, metadata, sidecar_stamp)

    def _folder(self, folder: str, folders: MutableSequence[str]) -> Iterator[SourceObject]:
        path = os.path.join(self._root, folder) if folder else self._root
        with os.scandir(path) as found:
            entries = {entry.name: entry for entry in found}
        described = {name.removesuffix(SIDECAR) for name in entries if name.endswith(SIDECAR)}
        described.difference_update(entries, map(stem, entries) if described else ())
        if described:
            self._skipped["sidecar_without_document"] += len(described)
        key_base, uri_base = _key(folder), file_uri(path)
        for name, entry in entries.items():
            if is_litter(name):
                continue
            relative = f"{folder}/{name}" if folder else name
            if entry.is_dir(follow_symlinks=False):
                if not self._selection.excludes(relative + "/"):
                    folders.append(relative)
            elif name.endswith(SIDECAR):
                continue
            elif self._selection.selects(relative) and (status := self._status(entry)):
                beside = next(
                    (entries[each] for each in sidecar_names(name) if each in entries), None
                )
                stamps = _stamps(status, self._sidecar_status(beside), self._clock())
                key = f"{key_base}/{_key(name)}" if folder else _key(name)
                uri = f"{uri_base}/{_quoted(name)}"
                yield _object(self._uri, key, uri, status, stamps)

    def _is_sidecar(self, path: str) -> bool:
        return os.path.isfile(path) and self._holds(path)

    def _holds(self, path: str) -> bool:
        return os.path.realpath(path).startswith(self._root.rstrip("/") + "/")

    def _status(self, entry: os.DirEntry[str]) -> os.stat_result | None:
        """What the file system says of a document; None for what is gone or is not one."""
        if entry.is_symlink():
            return self._linked(entry.path)
        if not entry.is_file(follow_symlinks=False):
            self._skipped["special_file"] += 1
            return None
        try:
            return entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _linked(self, path: str) -> os.stat_result | None:
        try:
            status = os.stat(path)
        except OSError as error:
            if error.errno not in _DANGLING:
                raise
            self._skipped["dangling_link"] += 1
            return None
        if stat.S_ISREG(status.st_mode) and self._holds(path):
            return status
        folder = stat.S_ISDIR(status.st_mode)
        self._skipped["link_to_folder" if folder else "link_out_of_source"] += 1
        return None

    def _sidecar_status(self, entry: os.DirEntry[str] | None) -> os.stat_result | None:
        return self._status(entry) if entry and not entry.is_dir() else None

    def _unlistable(self, folder: str, error: OSError) -> SourceError:
        problem = f"{error.filename or folder!r}: {error.strerror or error}"
        if not os.path.isdir(self._root):
            remedy = "Create the folder, or correct RAG_SOURCE_URI."
        else:
            remedy = "Make it readable, or leave the folder out with RAG_SOURCE_EXCLUDE."
        return SourceError(
            f"Source {self._uri} cannot be listed completely ({problem}). {remedy} Nothing was "
            f"deleted because of it."
        )


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else quote(os.fsencode(name))


def _key(relative: str) -> str:
    if relative.isascii() and "%" not in relative:
        return relative
    escaped = relative.replace("%", "%25")
    return _UNDECODABLE.sub(lambda match: f"%{ord(match[0]) - 0xDC00:02X}", escaped)


def _stamps(document: os.stat_result, sidecar: os.stat_result | None, now: int) -> tuple[str, str]:
    # An empty sidecar stamp means "no sidecar", so it is the document that goes untrusted when
    # its sidecar is too fresh.
    if sidecar is None:
        return (stamp(document) if is_settled(document, now) else ""), ""
    settled = is_settled(document, now) and is_settled(sidecar, now)
    return (stamp(document) if settled else ""), stamp(sidecar)


def _object(
    source: str, key: str, uri: str, status: os.stat_result, stamps: tuple[str, str]
) -> SourceObject:
    try:
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
    except (OverflowError, ValueError, OSError):
        modified = _EPOCH  # a file may claim the year 300,000; only people read this field
    return SourceObject(source, key, uri, status.st_size, modified, *stamps)
