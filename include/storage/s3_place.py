"""A prefix of a bucket: `s3://bucket/prefix`, percent-encoded like every URI of the platform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from include.storage.s3_errors import not_s3, translated


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket and a prefix that is empty or ends with a slash."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, uri: str) -> S3Place:
        """The place of a URI that the settings have found to be `s3://bucket…`."""
        parts = urlsplit(uri.replace("#", "%23").replace("?", "%3F"))
        inside = unquote(parts.path).strip("/")
        return cls(parts.netloc, f"{inside}/" if inside else "")

    def key(self, path: str) -> str:
        """The key of a path below the prefix."""
        return self.prefix + path

    def path(self, key: str) -> str:
        """The path of a key below the prefix; the inverse of `key`."""
        return key[len(self.prefix) :]

    def uri(self, path: str = "") -> str:
        """The URI of a path, percent-encoded."""
        return f"s3://{self.bucket}/{quote(self.key(path))}".rstrip("/" if not path else "")

    def pages(self, client: Any, prefix: str = "") -> Iterator[dict[str, Any]]:
        """Every object whose path starts with `prefix`, as ListObjectsV2 describes it, in the store's order."""
        arguments = {"Bucket": self.bucket, "Prefix": self.key(prefix)}
        while True:
            page = self.page(client, arguments)
            yield from page.get("Contents", ())
            if not page["IsTruncated"]:
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def page(self, client: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        """One page of a listing, found to be a complete answer of an S3 API.

        Something else that answers 200 must never pass for an empty bucket.
        """
        with translated(self.uri()):
            page: dict[str, Any] = client.list_objects_v2(**arguments)
        truncated = page.get("IsTruncated")
        token = page.get("NextContinuationToken")
        if page.get("Name") != self.bucket or truncated is None or (truncated and not token):
            raise not_s3(f"{self.uri()} at {client.meta.endpoint_url}")
        return page
