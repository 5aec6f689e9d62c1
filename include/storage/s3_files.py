"""The lake's large files in a bucket. Nothing passes through the disk of the machine.

Whole files go through boto3; scans go through Polars' own reader, which fetches only the columns
and row groups that a query needs.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import polars as pl

from include.errors import CommitConflictError, LakeError, TransientError
from include.storage.lake_files import BLOCK, LakeFile
from include.storage.s3_client import S3Access
from include.storage.s3_errors import ABSENT, BUSY, code, translated
from include.storage.s3_objects import S3Objects
from include.storage.s3_place import S3Place

if TYPE_CHECKING:
    from botocore.client import BaseClient

# What LanceDB is told by options of its own: Polars gives up after 30 s by default.
_RETRIES: dict[str, Any] = {"max_retries": 10, "retry_timeout_ms": 180_000}
# S3's own limit of DeleteObjects.
_KEYS_IN_A_DELETE = 1_000


class S3Files:
    """LakeFiles under a prefix of a bucket."""

    def __init__(self, place: S3Place, access: S3Access) -> None:
        self._place = place
        self._access = access

    def uri(self, path: str) -> str:
        """The `s3://` URI of a path."""
        return self._place.uri(path)

    def path(self, uri: str) -> str:
        """The path of a URI. Raises LakeError for one outside of the place."""
        found = S3Place.of(uri)
        key = found.prefix.rstrip("/")
        if found.bucket != self._place.bucket or not key.startswith(self._place.prefix):
            raise LakeError(f"{uri} should lie in {self._place.uri()}: it is of another lake.")
        return self._place.path(key)

    def list(self, folder: str = "") -> Sequence[LakeFile]:
        """Every object below the folder, sorted by path."""
        found = [
            LakeFile(self._place.path(each["Key"]), each["Size"], each["LastModified"].timestamp())
            for each in self._place.pages(self._client, f"{folder}/" if folder else "")
            if not each["Key"].endswith("/")
        ]
        return sorted(found, key=lambda each: each.path)  # not every store sorts by bytes

    def folders(self, folder: str) -> Mapping[str, float]:  # noqa: ARG002 - as LakeFiles has it
        """Nothing: a bucket has no folders beside those in the names of objects."""
        return {}

    def exists(self, path: str) -> bool:
        """Whether there is an object."""
        from botocore.exceptions import ClientError

        with translated(self.uri(path)):
            try:
                self._client.head_object(**self._at(path))
            except ClientError as error:
                if code(error) in ABSENT:
                    return False
                raise
        return True

    def read(self, path: str) -> bytes | None:
        """The whole object, or None when there is none."""
        from botocore.exceptions import ClientError

        with translated(self.uri(path)):
            try:
                return bytes(self._client.get_object(**self._at(path))["Body"].read())
            except ClientError as error:
                if code(error) in ABSENT:
                    return None
                raise

    def blocks(self, path: str) -> Iterator[bytes]:
        """The object in blocks of 8 MiB; nothing when there is none."""
        from botocore.exceptions import ClientError

        with translated(self.uri(path)):
            try:
                body = self._client.get_object(**self._at(path))["Body"]
            except ClientError as error:
                if code(error) in ABSENT:
                    return
                raise
            yield from body.iter_chunks(BLOCK)

    def write(self, path: str, data: bytes) -> None:
        """Replaces the object."""
        with translated(self.uri(path)):
            self._client.put_object(**self._at(path), Body=data)

    def write_new(self, path: str, data: bytes) -> None:
        """Writes the object if there is none, by the store's conditional write."""
        with suppress(CommitConflictError):
            S3Objects(self._place, self._access).write_if(path, data, None)

    def write_frame(self, path: str, frame: pl.DataFrame) -> None:
        """Replaces the object by the frame as Parquet, made in memory: a part is bounded."""
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="zstd", compression_level=1)
        self.write(path, buffer.getvalue())

    def scan(self, paths: Sequence[str]) -> pl.LazyFrame:
        """The rows of Parquet objects, fetched when collected."""
        return pl.scan_parquet(
            [f"s3://{self._place.bucket}/{self._place.key(path)}" for path in paths],
            glob=False,
            storage_options=self._access.native_options(self._place.bucket) | _RETRIES,
            credential_provider=None,
        )

    def delete(self, paths: Iterable[str]) -> None:
        """Deletes objects, a thousand by one request."""
        self._delete([{"Key": self._place.key(path)} for path in paths])

    def keeps_versions(self) -> bool:
        """Whether the bucket has versioning, or once had it."""
        with translated(f"{self._place.uri()} (s3:GetBucketVersioning)"):
            found = self._client.get_bucket_versioning(Bucket=self._place.bucket)
        return bool(found.get("Status"))

    def forget_versions(self) -> int:
        """Deletes every version but the newest of each object, and the marks of deleted ones."""
        arguments = {"Bucket": self._place.bucket, "Prefix": self._place.prefix}
        old: list[Mapping[str, Any]] = []
        marks: list[Mapping[str, Any]] = []
        forgotten, more = 0, self.keeps_versions()
        while more:
            with translated(f"{self._place.uri()} (s3:ListBucketVersions)"):
                page = self._client.list_object_versions(**arguments)
            # Those of the page before: not every store goes on after what is no longer there.
            self._delete_versions(old)
            old = [each for each in page.get("Versions", ()) if not each["IsLatest"]]
            marks += page.get("DeleteMarkers", ())
            forgotten, more = forgotten + len(old), page["IsTruncated"]
            arguments["KeyMarker"] = page.get("NextKeyMarker", "")
            arguments["VersionIdMarker"] = page.get("NextVersionIdMarker", "")
        self._delete_versions(old)
        # Last: without its mark, a version that is still there would be the object again.
        self._delete_versions(marks)
        return forgotten + len(marks)

    def _delete_versions(self, versions: Sequence[Mapping[str, Any]]) -> None:
        self._delete([{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions])

    def _delete(self, objects: Sequence[Mapping[str, str]]) -> None:
        for at in range(0, len(objects), _KEYS_IN_A_DELETE):
            keys = objects[at : at + _KEYS_IN_A_DELETE]
            with translated(self._place.uri()):
                done = self._client.delete_objects(
                    Bucket=self._place.bucket, Delete={"Objects": keys, "Quiet": True}
                )
            for failed in done.get("Errors", ()):
                what = (
                    f"{self._place.uri()}: {failed.get('Key')!r} could not be deleted "
                    f"({failed.get('Code')})"
                )
                if failed.get("Code") in BUSY:
                    raise TransientError(f"{what}: the store is busy; try again later.")
                raise LakeError(
                    f"{what}. Allow s3:DeleteObject and, in a bucket with versions, "
                    f"s3:DeleteObjectVersion below the lake (docs/s3.md)."
                )

    def remove(self, folder: str) -> None:
        """Deletes everything below the folder."""
        self.delete(each.path for each in self.list(folder))

    def _at(self, path: str) -> Mapping[str, str]:
        return {"Bucket": self._place.bucket, "Key": self._place.key(path)}

    @property
    def _client(self) -> BaseClient:
        return self._access.client
