"""Whether a store really keeps the conditions of conditional writes: asked, not believed.

A store that ignores them answers 200 and loses commits without any error: of two writers, one.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from include.errors import CommitConflictError, ConfigurationError
from include.storage.s3_client import S3Access
from include.storage.s3_objects import S3Objects
from include.storage.s3_place import S3Place

PROVEN_FOR = timedelta(days=7)
"""A store can be exchanged or reconfigured behind its endpoint: an older proof is made again."""


def proof(place: S3Place, access: S3Access, now: datetime) -> dict[str, str]:
    """Tries out the conditions and says of which store that is true, and when it was found.

    Raises ConfigurationError when the store ignores or does not know one of them.
    """
    objects, path = S3Objects(place, access), f"probes/{secrets.token_hex(8)}"
    try:
        first = _expect_done(access, objects, path, None)
        _expect_refused(access, objects, path, None)
        _expect_refused(access, objects, path, '"0000"')
        _expect_done(access, objects, path, first)
    finally:
        objects.delete(path)
    return {"store": access.store, "proven": now.astimezone(UTC).isoformat(timespec="seconds")}


def is_proven(remembered: object, access: S3Access, now: datetime) -> bool:
    """Whether what the lake remembers is of this store, and recent."""
    if not isinstance(remembered, dict) or remembered.get("store") != access.store:
        return False
    try:
        age = now - datetime.fromisoformat(str(remembered.get("proven")))
    except (ValueError, TypeError):
        return False
    return timedelta(0) <= age < PROVEN_FOR


def _expect_done(access: S3Access, objects: S3Objects, path: str, etag: str | None) -> str:
    """The etag of a write whose condition holds, also when an answer was lost and it was repeated."""
    try:
        return objects.write_if(path, b"probe", etag)
    except CommitConflictError as error:
        raise _unsafe(access, "it refuses a write whose condition holds") from error


def _expect_refused(access: S3Access, objects: S3Objects, path: str, etag: str | None) -> None:
    try:
        objects.write_if(path, b"overwritten", etag)
    except CommitConflictError:
        return
    name = "If-None-Match: *" if etag is None else "If-Match"
    raise _unsafe(access, f"it ignores {name} of a PUT and overwrites")


def _unsafe(access: S3Access, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The store {access.store} cannot hold a lake: {reason}. Two writers would lose commits "
        f"without an error. Use one with conditional writes (Amazon S3, MinIO, Ceph, R2 …) in "
        f"RAG_LAKE_URI; as a source this one will do."
    )
