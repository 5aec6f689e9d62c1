"""The lake's small objects in a bucket: compared and set by the store's own conditional writes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from include.errors import CommitConflictError
from include.storage.objects import Stored, require_plain
from include.storage.s3_client import S3Access
from include.storage.s3_errors import ABSENT, REFUSED, code, translated
from include.storage.s3_place import S3Place

if TYPE_CHECKING:
    from botocore.client import BaseClient

_WRITE = "write"


class S3Objects:
    """An ObjectStore under a prefix of a bucket, safe between all machines that share it.

    It is as safe as the store's conditional writes: see `include.storage.s3_probe`.
    """

    def __init__(self, place: S3Place, access: S3Access) -> None:
        self._place = place
        self._access = access

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
            return Stored(found["Body"].read(), found["ETag"])

    def write(self, path: str, data: bytes) -> str:
        """Replaces the object and returns its etag."""
        with translated(self._place.uri(path)):
            return str(self._client.put_object(**self._at(path), Body=data)["ETag"])

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        """Replaces the object only while it has this etag, else raises CommitConflictError."""
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        token = secrets.token_hex(16)
        with translated(self._place.uri(path)):
            try:
                done = self._client.put_object(
                    **self._at(path), **condition, Body=data, Metadata={_WRITE: token}
                )
                return str(done["ETag"])
            except ClientError as error:
                if code(error) not in REFUSED | ABSENT:
                    raise
                if _was_repeated(error) and (mine := self._own(path, token)):
                    return mine
                raise CommitConflictError(
                    f"{self._place.uri(path)!r} should have etag {etag!r}, has not: another "
                    f"writer came first; read it again and repeat the change."
                ) from error

    def list(self, prefix: str = "") -> Iterator[str]:
        """The paths that start with `prefix`, sorted."""
        for each in self._place.pages(self._client, prefix):
            path = self._place.path(each["Key"])
            if "/." not in "/" + path and not path.endswith("/"):
                yield path

    def delete(self, path: str) -> None:
        """Removes the object; does nothing when there is none."""
        with translated(self._place.uri(path)):
            self._client.delete_object(**self._at(path))

    def _own(self, path: str, token: str) -> str | None:
        """The etag of the object if it is what this very call wrote.

        The answer to the first attempt can be lost although it was done; the repetition is then
        refused because of ourselves.
        """
        from botocore.exceptions import ClientError

        try:
            found = self._client.head_object(**self._at(path))
        except ClientError as error:
            if code(error) in ABSENT:
                return None
            raise
        return str(found["ETag"]) if found["Metadata"].get(_WRITE) == token else None

    def _at(self, path: str) -> Mapping[str, str]:
        require_plain(path)
        return {"Bucket": self._place.bucket, "Key": self._place.key(path)}

    @property
    def _client(self) -> BaseClient:
        return self._access.client


def _was_repeated(error: Any) -> bool:
    return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts"))
