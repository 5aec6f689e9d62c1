"""Listing a bucket by several requests at once, whatever its keys look like.

A listing is a chain: each page names the next. Chains run side by side over ranges of keys that are
cut while they are listed: what is idle begins in the middle of what another range still has before
it, and the other stops there. So a million objects in one folder are listed by as many requests at
once as a million folders, and no more than one request for each page goes astray.

Amazon sorts keys by their bytes; a store that keeps folders, as SeaweedFS does, lists each folder
where its name stands: `a/b` before `a-b`. Which it is shows when it matters, and not before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.errors import SourceError
from include.storage.key_space import KeySpace, by_folders
from include.storage.s3_place import S3Place

if TYPE_CHECKING:
    from botocore.client import BaseClient

Entry = dict[str, Any]

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of one range, sorted; the range is known by the key after which it begins."""

    after: str
    entries: Sequence[Entry]


@dataclass(slots=True)
class _Order:
    """How the store sorts: by bytes, until a key comes that can only come by folders.

    Cuts (`KeySpace`) are such that a range ends in the right place before that is known.
    """

    by_folders: bool = False

    def follows(self, key: str, last: str) -> bool:
        """Whether the key may come after the other one."""
        self.by_folders = self.by_folders or key <= last
        return self.is_beyond(key, last)

    def is_beyond(self, key: str, limit: str) -> bool:
        """Whether the key comes after the limit."""
        return by_folders(key) > by_folders(limit) if self.by_folders else key > limit


@dataclass(slots=True)
class _Range:
    """The keys after one and up to another ("" is no limit), listed as far as `last`.

    It may be cut once for each page it has got.
    """

    after: str
    until: str
    last: str
    may_be_cut: bool = False


def listed(client: BaseClient, place: S3Place, at_once: int = _AT_ONCE) -> Iterator[Page]:
    """Every object of the place once; pages of one range come in order, those of others in between.

    Ranges never overlap and leave nothing out, so a key that is there all the time is in exactly
    one page. Raises SourceError when the store does not sort its keys in either way, and whatever one request
    raises: then nothing can be concluded from the other pages.
    """
    space = KeySpace(place.prefix)
    whole, order = _Range("", "", ""), _Order()
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="listing")
    running = {pool.submit(place.page, client, _arguments(place, whole)): whole}
    try:
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                mine, page = running.pop(future), future.result()
                entries, is_last = _within(page, mine, place, order)
                space.learn([each["Key"] for each in entries])
                if not is_last:
                    mine.may_be_cut = True
                    arguments = _arguments(place, mine, page["NextContinuationToken"])
                    running[pool.submit(place.page, client, arguments)] = mine
                yield Page(mine.after, entries)
            for new in _cut(space, running.values(), at_once - len(running)):
                running[pool.submit(place.page, client, _arguments(place, new))] = new
    finally:
        pool.shutdown(cancel_futures=True)


def _cut(space: KeySpace, ranges: Iterable[_Range], most: int) -> list[_Range]:
    """Cuts at most so many ranges, where that divides most; the halves that nobody lists yet."""
    cuts = [
        (cut.depth, cut.key, each)
        for each in ranges
        if each.may_be_cut and (cut := space.between(each.last, each.until))
    ]
    new = []
    for _, key, each in sorted(cuts, key=lambda cut: cut[:2])[: max(0, most)]:
        new.append(_Range(key, each.until, key))
        each.until, each.may_be_cut = key, False
    return new


def _within(
    page: Entry, mine: _Range, place: S3Place, order: _Order
) -> tuple[Sequence[Entry], bool]:
    """The entries of the page that the range holds, and whether the range ends with them."""
    entries: list[Entry] = page.get("Contents", [])
    for each in entries:
        if (order.by_folders or each["Key"] <= mine.last) and not order.follows(
            each["Key"], mine.last
        ):
            raise SourceError(
                f"{place.uri()} is not listed in the order of its keys ({each['Key']!r} after "
                f"{mine.last!r}): directory buckets and stores that do not sort cannot be a source. "
                f"Nothing was deleted because of it."
            )
        mine.last = each["Key"]
    if mine.until and order.is_beyond(mine.last, mine.until):
        return [each for each in entries if not order.is_beyond(each["Key"], mine.until)], True
    return entries, not page["IsTruncated"]


def _arguments(place: S3Place, within: _Range, token: str = "") -> Entry:
    arguments = {"Bucket": place.bucket, "Prefix": place.prefix}
    arguments |= {"StartAfter": within.after} if within.after else {}
    return arguments | ({"ContinuationToken": token} if token else {})
