"""Documents and their sidecars, brought together while sorted ranges of a listing pass by.

Few names are held at a time: a document waits until its range has passed the places where its
sidecar could be, whether the store sorts by bytes or by folders. Where such a place lies in another
range, it waits for the end of the listing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from include.storage.key_space import by_folders
from include.storage.naming import sidecar_names
from include.storage.source import SIDECAR

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[E]):
    """A document, and the names that its sidecar may have, the preferred one first."""

    name: str
    entry: E
    sidecars: tuple[str, str]

    def is_passed(self, name: str) -> bool:
        """Whether no sidecar comes any more after this name."""
        return max(self.sidecars) < name and self._last_by_folders() < by_folders(name)

    def is_beyond(self, after: str) -> bool:
        """Whether every sidecar comes after this name."""
        first = min(map(by_folders, self.sidecars))
        return min(self.sidecars) > after and first > by_folders(after)

    def _last_by_folders(self) -> str:
        return max(map(by_folders, self.sidecars))


class Pairs(Generic[E]):
    """Pairs documents with the stamps of their sidecars."""

    def __init__(self) -> None:
        self._ranges: dict[str, list[_Waiting[E]]] = {}
        self._unsettled: list[_Waiting[E]] = []
        self._used: set[str] = set()
        self.sidecars: dict[str, str] = {}

    def take(self, after: str, name: str, entry: E, stamp: str) -> Iterator[tuple[str, E, str]]:
        """Takes the next name of the range that begins after this one.

        Yields those that are certain now, with "" for no sidecar.
        """
        waiting = self._ranges.setdefault(after, [])
        passed = [one for one in waiting if one.is_passed(name)]
        if passed:
            waiting[:] = [one for one in waiting if not one.is_passed(name)]
        for one in passed:
            if not one.is_beyond(after):
                self._unsettled.append(one)
            else:
                yield one.name, one.entry, self._sidecar(one)
        if name.endswith(SIDECAR):
            self.sidecars[name] = stamp
        else:
            waiting.append(_Waiting(name, entry, sidecar_names(name)))

    def rest(self) -> Iterator[tuple[str, E, str]]:
        """What is left when all ranges have been listed."""
        for waiting in (self._unsettled, *self._ranges.values()):
            for one in waiting:
                yield one.name, one.entry, self._sidecar(one)

    @property
    def lonely(self) -> int:
        """How many sidecars belong to no document."""
        return len(self.sidecars) - len(self._used)

    def _sidecar(self, one: _Waiting[E]) -> str:
        found = [each for each in one.sidecars if each in self.sidecars]
        self._used.update(found)
        return self.sidecars[found[0]] if found else ""
