"""The source at a URI: a folder or a bucket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from include.storage.source import Source

if TYPE_CHECKING:
    from include.storage.s3_client import S3Access


def open_source(
    uri: str, include: Sequence[str], exclude: Sequence[str], access: Callable[[], S3Access]
) -> Source:
    """The source, with the patterns that select from it; `access` is asked for a bucket only."""
    if uri.startswith("s3://"):
        from include.storage.s3_source import S3Source

        return S3Source(uri, access(), include, exclude)
    from include.storage.local import LocalSource

    return LocalSource(uri, include, exclude)
