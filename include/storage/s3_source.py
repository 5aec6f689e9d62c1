"""A bucket, or a prefix of one, as a source: `s3://bucket/prefix`.

A document's key is the object's, without the prefix. Its stamp is ETag, size and time of the last
write: an ETag is no hash of the content (of a multipart or encrypted object never), but no write
leaves all three as they were. Reading takes whatever version is there then, and stamps what it read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from include.documents import SourceObject
from include.errors import DocumentError
from include.observability.log import warn
from include.storage.naming import Selection, is_litter, sidecar_names
from include.storage.s3_client import S3Access
from include.storage.s3_errors import translated
from include.storage.s3_listing import Entry, listed
from include.storage.s3_pairs import Pairs
from include.storage.s3_place import S3Place
from include.storage.s3_reading import object_stamp, read_object
from include.storage.source import SourceContent

if TYPE_CHECKING:
    from botocore.client import BaseClient


class S3Source:
    """The objects below a prefix, hidden and temporary names left out.

    `include` and `exclude` are patterns as in `.gitignore`, on keys without the prefix.
    """

    def __init__(
        self,
        uri: str,
        access: S3Access,
        include: Sequence[str] = ("**",),
        exclude: Sequence[str] = (),
    ) -> None:
        self._uri = uri.rstrip("/")
        self._place = S3Place.of(self._uri)
        self._access = access
        self._selection = Selection(include, exclude)
        self._skipped: Counter[str] = Counter()

    @property
    def uri(self) -> str:
        """The bucket and prefix, as configured."""
        return self._uri

    @property
    def skipped(self) -> Mapping[str, int]:
        """How many folder markers and lonely sidecars the last listing left out."""
        return dict(self._skipped)

    def list(self) -> Iterator[SourceObject]:
        """Every document below the prefix, from up to 16 requests at once; opens none of them.

        Raises SourceError, ConfigurationError or TransientError when it cannot be completed.
        """
        self._skipped.clear()
        pairs: Pairs[SourceObject] = Pairs()
        for page in listed(self._client, self._place):
            after = self._place.path(page.after)
            for each in page.entries:
                name = self._place.path(each["Key"])
                if self._is_candidate(name):
                    found = self._object(name, each)
                    yield from self._selected(pairs.take(after, name, found, found.stamp))
        yield from self._selected(pairs.rest())
        if pairs.lonely:
            self._skipped["sidecar_without_document"] = pairs.lonely
        if self._skipped:
            counts = ", ".join(f"{count} {reason}" for reason, count in self._skipped.items())
            warn(f"Source {self._uri} holds objects that cannot be documents: {counts}.")

    def read(self, key: str, limit_bytes: int, *, sidecar: bool = True) -> SourceContent:
        """The document and its sidecar, each in the version that is there now."""
        found = read_object(self._client, self._place, key, limit_bytes)
        for name in sidecar_names(key) if sidecar else ():
            try:
                beside = read_object(self._client, self._place, name, limit_bytes)
            except DocumentError as error:
                if error.reason == "vanished":
                    continue
                raise
            return SourceContent(
                found.raw, found.stamp, beside.raw, beside.stamp, version=found.version
            )
        return SourceContent(found.raw, found.stamp, version=found.version)

    def _is_candidate(self, name: str) -> bool:
        if name.endswith("/") or not name:
            self._skipped["folder_marker"] += 1
            return False
        return not any(map(is_litter, name.split("/")))

    def _object(self, name: str, entry: Entry) -> SourceObject:
        stamp = object_stamp(entry["ETag"], entry["Size"], entry["LastModified"])
        uri = f"{self._uri}/{quote(name)}"
        return SourceObject(self._uri, name, uri, entry["Size"], entry["LastModified"], stamp)

    def _selected(self, found: Iterator[tuple[str, SourceObject, str]]) -> Iterator[SourceObject]:
        for name, each, sidecar in found:
            if self._selection.selects(name):
                yield replace(each, sidecar_stamp=sidecar) if sidecar else each

    @property
    def _client(self) -> BaseClient:
        with translated(self._uri):
            return self._access.client
