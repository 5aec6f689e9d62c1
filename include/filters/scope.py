"""The scope of a search: which chunks it may find at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from include.filters.syntax import Filter


@dataclass(frozen=True, slots=True)
class Scope:
    """A filter, and the labels of whoever asks.

    `principals` None is no restriction, for operators. A set admits chunks without labels and
    those with one of these; the empty set admits only the former.
    """

    filter: Filter | None = None
    principals: frozenset[str] | None = None

    def may_read(self, labels: Collection[str]) -> bool:
        """Whether whoever asks may see a chunk with these labels."""
        return self.principals is None or not labels or not self.principals.isdisjoint(labels)


EVERYTHING = Scope()
