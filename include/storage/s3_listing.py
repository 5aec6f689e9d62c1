"""Listing a bucket by several requests at once.

A listing is a chain: each page names the next. Several chains run side by side over ranges of keys,
cut where folders begin. Ranges are cut, not folders listed one by one, so that neither a bucket of a
million folders nor one of a million objects in a folder costs more requests than its pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.errors import SourceError
from include.storage.s3_place import S3Place

if TYPE_CHECKING:
    from botocore.client import BaseClient

Entry = dict[str, Any]

_AT_ONCE = 16
_MOST_RANGES = 64
_MOST_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of one range, sorted: number of the range, and whether it ends here."""

    part: int
    entries: Sequence[Entry]
    is_last: bool


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The keys after one and up to another; "" is no limit."""

    after: str
    until: str


def key_ranges(client: BaseClient, place: S3Place) -> list[KeyRange]:
    """Ranges that together hold every key of the place, at most 64; one if a page holds all."""
    first = place.page(client, {"Bucket": place.bucket, "Prefix": place.prefix})
    cuts = _cuts(client, place) if first["IsTruncated"] else []
    return [KeyRange(a, b) for a, b in zip(["", *cuts], [*cuts, ""], strict=True)]


def listed(client: BaseClient, place: S3Place, ranges: Sequence[KeyRange]) -> Iterator[Page]:
    """Every object of the ranges; pages of one range come in order, those of others in between.

    Raises SourceError when the store does not sort its keys: then nothing could be concluded.
    """
    waiting = list(enumerate(ranges))[::-1]
    last = [each.after for each in ranges]
    running: dict[Future[Entry], int] = {}
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="listing")
    try:
        while running or waiting:
            while waiting and len(running) < _AT_ONCE:
                part, each = waiting.pop()
                arguments = _arguments(place, each)
                running[pool.submit(place.page, client, arguments)] = part
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                part, page = running.pop(future), future.result()
                entries, is_last = _within(page, ranges[part], last[part], place)
                if not is_last:
                    token = {"ContinuationToken": page["NextContinuationToken"]}
                    arguments = _arguments(place, ranges[part]) | token
                    running[pool.submit(place.page, client, arguments)] = part
                last[part] = entries[-1]["Key"] if entries else last[part]
                yield Page(part, entries, is_last)
    finally:
        pool.shutdown(cancel_futures=True)


def _within(
    page: Entry, within: KeyRange, last: str, place: S3Place
) -> tuple[Sequence[Entry], bool]:
    """The entries of the page that the range holds, and whether the range ends with them."""
    entries: list[Entry] = page.get("Contents", [])
    for each in entries:
        if each["Key"] <= last:
            raise SourceError(
                f"{place.uri()} is not listed in the order of its keys ({each['Key']!r} after "
                f"{last!r}): directory buckets and stores that do not sort cannot be a source. "
                f"Nothing was deleted because of it."
            )
        last = each["Key"]
    if within.until and entries and last > within.until:
        return [each for each in entries if each["Key"] <= within.until], True
    return entries, not page["IsTruncated"]


def _arguments(place: S3Place, within: KeyRange) -> Entry:
    arguments = {"Bucket": place.bucket, "Prefix": place.prefix}
    return arguments | ({"StartAfter": within.after} if within.after else {})


def _cuts(client: BaseClient, place: S3Place) -> list[str]:
    """Where folders begin, as many as there are to be cuts, level by level."""
    found: set[str] = set()
    level = [place.prefix]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="listing") as pool:
        for _ in range(_MOST_LEVELS):
            below = list(pool.map(lambda prefix: _folders(client, place, prefix), level))
            level = [prefix for some in below for prefix in some]
            found.update(level)
            if len(found) >= _MOST_RANGES or not level:
                break
    every = sorted(found)
    step = max(1, -(-len(every) // (_MOST_RANGES - 1)))
    return every[::step]


def _folders(client: BaseClient, place: S3Place, prefix: str) -> list[str]:
    """The folders directly below a prefix, as far as one page tells."""
    arguments = {"Bucket": place.bucket, "Prefix": prefix, "Delimiter": "/"}
    page = place.page(client, arguments)
    return [each["Prefix"] for each in page.get("CommonPrefixes", ())]
