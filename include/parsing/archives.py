"""The one door to archives: DOCX, PPTX, XLSX, EPUB, ODT (ZIP) and gzip are opened here alone.

Everything is checked against the directory before anything is unpacked, and no read returns more
than the directory promised, so that a member cannot lie about its size. Nothing is ever written
to disk; names with `..` are refused all the same, because an honest program writes none.
"""

from __future__ import annotations

import zipfile
import zlib
from io import BytesIO

from include.errors import DocumentError
from include.parsing.limits import (
    MEBIBYTE,
    MOST_MEMBERS,
    MOST_RATIO,
    MOST_UNPACKED_BYTES,
    RATIO_APPLIES_FROM_BYTES,
)

ZIP_MAGIC = b"PK\x03\x04"
GZIP_MAGIC = b"\x1f\x8b"
_DIRECTORY_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises on damaged and on unknown content; RuntimeError is a missing password.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError)
_GZIP_FRAME = 31  # zlib's number for: expect a gzip header


class Archive:
    """A ZIP archive whose directory has been found harmless; members are read on demand.

    Raises DocumentError `malformed`, `encrypted`, `too_large` or `unsafe_archive`.
    """

    def __init__(self, raw: bytes) -> None:
        if raw.count(_DIRECTORY_ENTRY) > MOST_MEMBERS:
            raise DocumentError("unsafe_archive", f"The archive has over {MOST_MEMBERS} members.")
        try:
            self._zip = zipfile.ZipFile(BytesIO(raw))
        except _DAMAGE as error:
            raise DocumentError("malformed", f"The ZIP archive is damaged: {error}.") from error
        self._members = {member.filename: member for member in self._zip.infolist()}

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def names(self) -> list[str]:
        """The names of all members, in the directory's order."""
        return list(self._members)

    def check(self) -> Archive:
        """The archive itself, once nothing in its directory speaks against unpacking it."""
        for member in self._members.values():
            _check_member(member)
        unpacked = sum(member.file_size for member in self._members.values())
        if unpacked > MOST_UNPACKED_BYTES:
            raise DocumentError(
                "too_large",
                f"It unpacks to {unpacked // MEBIBYTE} MiB; "
                f"the limit is {MOST_UNPACKED_BYTES // MEBIBYTE} MiB.",
            )
        return self

    def read(self, name: str) -> bytes:
        """A member's content, at most as long as the directory says; b"" when there is none."""
        member = self._members.get(name)
        if member is None:
            return b""
        try:
            with self._zip.open(member) as stream:
                return stream.read(member.file_size)
        except _DAMAGE as error:
            raise DocumentError("malformed", f"{name!r} in it is damaged: {error}.") from error


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    if member.flag_bits & _ENCRYPTED:
        raise DocumentError(
            "encrypted", f"{name!r} in it is encrypted; save it without a password."
        )
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith(("/", "\\")) or name[1:3] in (":/", ":\\"):
        raise DocumentError("unsafe_archive", f"The member {name!r} points out of the archive.")
    if member.compress_type not in _METHODS:
        raise DocumentError(
            "unsafe_archive",
            f"{name!r} in it is packed by method {member.compress_type}, which documents never use.",
        )
    ratio = member.file_size / max(member.compress_size, 1)
    if member.file_size > RATIO_APPLIES_FROM_BYTES and ratio > MOST_RATIO:
        raise DocumentError(
            "unsafe_archive",
            f"{name!r} in it unpacks to {ratio:.0f} times its size; the limit is {MOST_RATIO}.",
        )


def gunzip(raw: bytes) -> bytes:
    """The content of a gzip file of any number of members.

    Raises DocumentError `too_large` above the limit, `malformed` when it is damaged or cut off.
    """
    parts: list[bytes] = []
    left = MOST_UNPACKED_BYTES
    while raw.startswith(GZIP_MAGIC):
        member, raw = _gunzip_member(raw, left)
        parts.append(member)
        left -= len(member)
    return b"".join(parts)


def _gunzip_member(raw: bytes, most: int) -> tuple[bytes, bytes]:
    """The first member unpacked, and what follows it."""
    decompressor = zlib.decompressobj(_GZIP_FRAME)
    try:
        content = decompressor.decompress(raw, most + 1)
    except zlib.error as error:
        raise DocumentError("malformed", f"The gzip file is damaged: {error}.") from error
    if len(content) > most:
        limit = MOST_UNPACKED_BYTES // MEBIBYTE
        raise DocumentError("too_large", f"It unpacks to more than the limit of {limit} MiB.")
    if not decompressor.eof:
        raise DocumentError("malformed", "The gzip file is cut off.")
    return content, decompressor.unused_data
