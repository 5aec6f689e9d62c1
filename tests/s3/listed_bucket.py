"""A bucket in memory that is listed as S3 lists: sorted by bytes, in pages, from wherever it is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from include.storage.s3_listing import listed
from include.storage.s3_place import S3Place


class ListedBucket:
    """What `list_objects_v2` of a client answers, and how often it was asked.

    Before each answer one of the `changes` happens: a key that is there goes, one that is not comes.
    The request of number `fails` is refused as S3 does when it is busy. With `by_folders` it lists as
    SeaweedFS does: each folder where its name stands, and not at all what is in the very folder after
    which it is asked to start.
    """

    meta = type("Meta", (), {"endpoint_url": "http://store"})

    def __init__(
        self,
        keys: Iterable[str],
        page_keys: int,
        changes: Iterable[str] = (),
        fails: int = -1,
        *,
        by_folders: bool = False,
    ) -> None:
        self._by_folders = by_folders
        self.keys = set(keys)
        self.requests = 0
        self.starts: list[bytes] = []
        self.seconds = 0.0
        self._page_keys = page_keys
        self._changes = iter(changes)
        self._fails = fails
        self._turn = threading.Lock()

    def list_objects_v2(self, **asked: str) -> dict[str, Any]:
        """One page."""
        time.sleep(self.seconds)
        with self._turn:
            self.requests += 1
            if self.requests - 1 == self._fails:
                error = {"Error": {"Code": "SlowDown", "Message": "Reduce your request rate."}}
                raise ClientError(error, "ListObjectsV2")  # type: ignore[arg-type]
            self.keys ^= set(next(self._changes, ()))
            self.starts.append(asked.get("StartAfter", "").encode())
            token, start = asked.get("ContinuationToken", ""), asked.get("StartAfter", "")
            after = self._rank(token or start)
            prefix = asked["Prefix"]
            found = [key for key in self.keys if key.startswith(prefix) and self._rank(key) > after]
            if self._by_folders and start and not token:
                found = [key for key in found if not key.startswith(f"{start}/")]
            rest = sorted(found, key=self._rank)
        some = rest[: self._page_keys]
        page = {"Name": asked["Bucket"], "IsTruncated": len(rest) > len(some)}
        page["Contents"] = [{"Key": key} for key in some]
        return page | ({"NextContinuationToken": some[-1]} if page["IsTruncated"] else {})

    def _rank(self, key: str) -> list[bytes]:
        return key.encode().split(b"/") if self._by_folders and key else [key.encode()]


def ranges(bucket: ListedBucket, prefix: str = "", at_once: int = 16) -> dict[str, list[list[str]]]:
    """The keys of every page of every range, as `listed` gives them."""
    found: dict[str, list[list[str]]] = {}
    for page in listed(bucket, S3Place("bucket", prefix), at_once):  # type: ignore[arg-type]
        found.setdefault(page.after, []).append([each["Key"] for each in page.entries])
    return found


def every_key(found: dict[str, list[list[str]]]) -> Iterator[str]:
    """All keys of all pages, as often as they came."""
    return (key for pages in found.values() for page in pages for key in page)
