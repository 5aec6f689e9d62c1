"""Documents and their sidecars, brought together while sorted ranges of a listing pass by.

Few names are held at a time: a document waits until its range has passed the places where its
sidecar could be. Where such a place lies in another range, it waits for the end of the listing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from include.storage.naming import sidecar_names
from include.storage.source import SIDECAR

E = TypeVar("E")


@dataclass(slots=True)
class _Range(Generic[E]):
    """Where a range begins, and its documents that still wait."""

    after: str
    waiting: dict[str, E] = field(default_factory=dict)


class Pairs(Generic[E]):
    """Pairs documents with the stamps of their sidecars; `starts` are where the ranges begin."""

    def __init__(self, starts: Sequence[str]) -> None:
        self._ranges: list[_Range[E]] = [_Range(each) for each in starts]
        self._unsettled: dict[str, E] = {}
        self._used: set[str] = set()
        self.sidecars: dict[str, str] = {}

    def take(self, part: int, name: str, entry: E, stamp: str) -> Iterator[tuple[str, E, str]]:
        """Takes the next name of a range; yields those certain now, with "" for no sidecar."""
        mine = self._ranges[part]
        for each in [one for one in mine.waiting if max(sidecar_names(one)) < name]:
            held = mine.waiting.pop(each)
            if min(sidecar_names(each)) <= mine.after:
                self._unsettled[each] = held
            else:
                yield each, held, self._sidecar(each)
        if name.endswith(SIDECAR):
            self.sidecars[name] = stamp
        else:
            mine.waiting[name] = entry

    def rest(self) -> Iterator[tuple[str, E, str]]:
        """What is left when all ranges have been listed."""
        for waiting in (self._unsettled, *(each.waiting for each in self._ranges)):
            for name, entry in waiting.items():
                yield name, entry, self._sidecar(name)

    @property
    def lonely(self) -> int:
        """How many sidecars belong to no document."""
        return len(self.sidecars) - len(self._used)

    def _sidecar(self, name: str) -> str:
        for each in sidecar_names(name):
            if each in self.sidecars:
                self._used.update(found for found in sidecar_names(name) if found in self.sidecars)
                return self.sidecars[each]
        return ""
