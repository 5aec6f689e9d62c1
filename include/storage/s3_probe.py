"""Whether a store really keeps the conditions of conditional writes: asked, not believed.

A store that ignores them answers 200 and loses commits without any error: of two writers, one.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from include.errors import ConfigurationError
from include.storage.s3_client import S3Access
from include.storage.s3_errors import REFUSED, code, etag, translated
from include.storage.s3_place import S3Place

PROVEN_FOR = timedelta(days=7)
"""A store can be exchanged or reconfigured behind its endpoint: an older proof is made again."""


def proof(place: S3Place, access: S3Access, now: datetime) -> dict[str, str]:
    """Tries out the conditions and says of which store that is true, and when it was found.

    Raises ConfigurationError when the store ignores or does not know one of them.
    """
    target = {"Bucket": place.bucket, "Key": place.key(f"probes/{secrets.token_hex(8)}")}
    client = access.client
    with translated(place.uri()):
        try:
            first = _expect_done(access, target, {"IfNoneMatch": "*"})
            _expect_refused(access, target, {"IfNoneMatch": "*"}, "If-None-Match: *")
            _expect_refused(access, target, {"IfMatch": '"0000"'}, "If-Match")
            _expect_done(access, target, {"IfMatch": first})
        finally:
            client.delete_object(**target)
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


def _expect_done(access: S3Access, target: dict[str, str], condition: dict[str, str]) -> str:
    from botocore.exceptions import ClientError

    try:
        return etag(access.client.put_object(**target, **condition, Body=b"probe"), access.store)
    except ClientError as error:
        if code(error) in REFUSED | {"NotImplemented", "501"}:
            raise _unsafe(
                access, f"it refuses a write whose condition holds ({code(error)})"
            ) from error
        raise


def _expect_refused(
    access: S3Access, target: dict[str, str], condition: dict[str, str], name: str
) -> None:
    from botocore.exceptions import ClientError

    try:
        access.client.put_object(**target, **condition, Body=b"overwritten")
    except ClientError as error:
        if code(error) not in REFUSED:
            raise
        return
    raise _unsafe(access, f"it ignores {name} of a PUT and overwrites")


def _unsafe(access: Any, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The store {access.store} cannot hold a lake: {reason}. Two writers would lose commits "
        f"without an error. Use one with conditional writes (Amazon S3, MinIO, Ceph, R2 …) in "
        f"RAG_LAKE_URI; as a source this one will do."
    )
