"""The lake's small objects in a bucket: compared and set by the store's own conditional writes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from include.errors import CommitConflictError
from include.storage.objects import Stored, require_plain
from include.storage.s3_client import S3Access
from include.storage.s3_errors import ABSENT, REFUSED, code, translated
from include.storage.s3_errors import etag as named
from include.storage.s3_place import S3Place

if TYPE_CHECKING:
    from botocore.client import BaseClient

_WRITES = "writes"
_WRITES_KEPT = 16


class S3Objects:
    """An ObjectStore under a prefix of a bucket, safe between all machines that share it.

    It is as safe as the store's conditional writes: see `include.storage.s3_probe`.
    """

    def __init__(self, place: S3Place, access: S3Access) -> None:
        self._place = place
        self._access = access
        self._seen: dict[str, tuple[str, Sequence[str]]] = {}

    def read(self, path: str) -> Stored | None:
        """The whole object, or None when there is none."""
        from botocore.exceptions import ClientError

        with translated(self._place.uri(path)):
            try:
                found = self._client.get_object(**self._at(path))
            except ClientError as error:
                if code(error) in ABSENT:
                    return None
                raise
            etag = named(found, self._place.uri(path))
            self._seen[path] = etag, _writes(found)
            return Stored(found["Body"].read(), etag)

    def write(self, path: str, data: bytes) -> str:
        """Replaces the object and returns its etag."""
        with translated(self._place.uri(path)):
            done = self._client.put_object(**self._at(path), Body=data)
            return named(done, self._place.uri(path))

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        """Replaces the object only while it has this etag, else raises CommitConflictError."""
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        token = secrets.token_hex(8)
        writes = [token, *self._writes_before(path, etag)][:_WRITES_KEPT]
        with translated(self._place.uri(path)):
            try:
                done = self._client.put_object(
                    **self._at(path), **condition, Body=data, Metadata={_WRITES: " ".join(writes)}
                )
                mine = named(done, self._place.uri(path))
            except ClientError as error:
                if code(error) not in REFUSED | ABSENT:
                    raise
                found = self._own(path, token) if _was_repeated(error) else None
                if found is None:
                    raise CommitConflictError(
                        f"{self._place.uri(path)!r} should have etag {etag!r}, has not: another "
                        f"writer came first; read it again and repeat the change."
                    ) from error
                mine = found
        self._seen[path] = mine, writes
        return mine

    def list(self, prefix: str = "") -> Iterator[str]:
        """The paths that start with `prefix`, sorted."""
        paths = (self._place.path(each["Key"]) for each in self._place.pages(self._client, prefix))
        for path in sorted(paths):  # not every store sorts by bytes
            if "/." not in "/" + path and not path.endswith("/"):
                yield path

    def delete(self, path: str) -> None:
        """Removes the object; does nothing when there is none."""
        with translated(self._place.uri(path)):
            self._client.delete_object(**self._at(path))

    def _own(self, path: str, token: str) -> str | None:
        """The etag that this very call wrote, if it did: "overwritten" when others wrote since.

        The answer to the first attempt can be lost although it was done; the repetition is then
        refused because of ourselves. Every write names itself and those before it, so that one can
        be found again after up to fifteen others.
        """
        from botocore.exceptions import ClientError

        try:
            found = self._client.head_object(**self._at(path))
        except ClientError as error:
            if code(error) in ABSENT:
                return None
            raise
        writes = _writes(found)
        if token not in writes:
            return None
        return named(found, self._place.uri(path)) if writes[0] == token else "overwritten"

    def _writes_before(self, path: str, etag: str | None) -> Sequence[str]:
        seen, writes = self._seen.get(path, ("", []))
        return writes if seen == etag else []

    def _at(self, path: str) -> Mapping[str, str]:
        require_plain(path)
        return {"Bucket": self._place.bucket, "Key": self._place.key(path)}

    @property
    def _client(self) -> BaseClient:
        return self._access.client


def _writes(answer: Mapping[str, Any]) -> list[str]:
    return str(answer.get("Metadata", {}).get(_WRITES, "")).split()


def _was_repeated(error: Any) -> bool:
    return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts"))
