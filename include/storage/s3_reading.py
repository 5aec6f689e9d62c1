"""Reading one object whole, although connections break in the middle of large ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.errors import DocumentError
from include.storage.s3_errors import ABSENT, DENIED, REFUSED, code, etag, translated
from include.storage.s3_place import S3Place

if TYPE_CHECKING:
    from botocore.client import BaseClient

_CONTINUATIONS = 8
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ObjectRead:
    """An object's bytes, the stamp of exactly these, and the version's name in a versioned bucket."""

    raw: bytes
    stamp: str
    version: str = ""


def object_stamp(etag: str, size: int, modified: datetime) -> str:
    """ETag, size and time of the last write; a listing tells milliseconds, a read whole seconds."""
    quoted = etag.strip('"')
    return f"{quoted}-{size}-{int(modified.timestamp())}"


def read_object(client: BaseClient, place: S3Place, key: str, limit_bytes: int) -> ObjectRead:
    """The object as it is now.

    Raises DocumentError: `vanished`, `unreadable` (also when its connection always breaks, so that it
    holds up no other), `too_large`, or `changed_while_read` when it was replaced between two pieces; ConfigurationError or TransientError when it is not its own fault.
    """
    target = {"Bucket": place.bucket, "Key": place.key(key)}
    with translated(place.uri(key)):
        first = _get(client, target, key)
        name = etag(first, place.uri(key))
        size = int(first["ContentLength"])
        if size > limit_bytes:
            first["Body"].close()
            raise DocumentError(
                "too_large",
                f"{key!r} has {size} bytes; at most {limit_bytes} are read. Split it or raise "
                f"RAG_MAX_DOCUMENT_MB.",
            )
        raw = _whole(client, {**target, "IfMatch": name}, first["Body"], key, size)
    version = first.get("VersionId", "")
    stamp = object_stamp(name, size, first["LastModified"])
    return ObjectRead(raw, stamp, "" if version == "null" else version)


def _whole(client: BaseClient, target: dict[str, str], body: Any, key: str, size: int) -> bytes:
    """The bytes; a connection that breaks is taken up where it broke, in the same version only."""
    from botocore.exceptions import FlexibleChecksumError, HTTPClientError, IncompleteReadError

    raw = bytearray()
    for attempt in range(_CONTINUATIONS + 1):
        try:
            for block in body.iter_chunks(_BLOCK):
                raw += block
            break
        except (HTTPClientError, IncompleteReadError) as error:
            if attempt == _CONTINUATIONS:
                times = f"{attempt + 1} times in a row, {len(raw)} of {size} bytes came"
                detail = f"The connection broke while {key!r} was read, {times}."
                raise DocumentError("unreadable", detail) from error
            if len(raw) >= size:
                break
            rest = _get(client, {**target, "Range": f"bytes={len(raw)}-"}, key)
            if "ContentRange" not in rest:  # a store that knows no ranges gives all of it again
                raw.clear()
            body = rest["Body"]
        except FlexibleChecksumError as error:
            if attempt == _CONTINUATIONS:
                detail = f"The bytes of {key!r} do not have the checksum that the store tells."
                raise DocumentError("unreadable", detail) from error
            raw.clear()
            body = _get(client, target, key)["Body"]
    return bytes(raw)


def _get(client: BaseClient, target: dict[str, str], key: str) -> dict[str, Any]:
    from botocore.exceptions import ClientError

    try:
        answer: dict[str, Any] = client.get_object(**target)
    except ClientError as error:
        name = code(error)
        if name in ABSENT:
            detail = f"{key!r} was listed but is no longer there."
            raise DocumentError("vanished", detail) from error
        if name in REFUSED or name == "InvalidRange":
            raise _replaced(key) from error
        if name == "InvalidObjectState":
            detail = f"{key!r} is archived: restore it from Glacier, or exclude it."
            raise DocumentError("unreadable", detail) from error
        if name in DENIED or name.startswith("KMS."):
            detail = f"{key!r} may not be read ({name}): allow s3:GetObject and its KMS key on it."
            raise DocumentError("unreadable", detail) from error
        raise
    if answer.get("ETag") != target.get("IfMatch", answer.get("ETag")):
        # A store that does not know the condition gives what is there now.
        raise _replaced(key)
    return answer


def _replaced(key: str) -> DocumentError:
    return DocumentError("changed_while_read", f"{key!r} was replaced while it was read.")
