"""Where to cut a range of keys of which only some have been seen. Pure; a guess, and never a promise.

A cut is taken at the first character where the two ends leave a choice, in the middle of what may stand
there: the characters seen at that position, and their like where those vary.

It has to be one for stores that sort by bytes and for those that sort by folders. So it never ends with a
character up to the slash, about which the two differ, and it never is the name of a folder, which
SeaweedFS would skip altogether: it ends with a tilde, as only litter does.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_CLASSES = tuple(map(frozenset, (string.digits, string.ascii_lowercase, string.ascii_uppercase)))
_SAMPLE = 16
_MOST_POSITIONS = 256
_MOST_CHARACTERS = 1024
_NO_NAME = "~"
# S3's own limit in bytes: nobody can be asked for what comes after a longer one.
_LONGEST_KEY = 1024


@dataclass(frozen=True, slots=True)
class Cut:
    """A key that need not exist, and how many characters of it lie behind the prefix.

    The fewer there are, the more the cut is likely to divide.
    """

    key: str
    depth: int


def by_folders(key: str) -> str:
    """What sorts like the key in a store that lists each folder where its name stands."""
    return key.replace("/", "\0")


class KeySpace:
    """What is known of the keys below a prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._seen: list[set[str]] = []
        self._choices: list[list[str]] = []

    def learn(self, keys: Sequence[str]) -> None:
        """Looks at some of the keys, which are sorted."""
        for key in [*keys[:: max(1, len(keys) // _SAMPLE)], *keys[-1:]]:
            for position, each in enumerate(key[len(self._prefix) :][:_MOST_POSITIONS]):
                if position == len(self._seen):
                    self._seen.append(set())
                    self._choices.append([])
                seen = self._seen[position]
                if each not in seen and len(seen) < _MOST_CHARACTERS:
                    seen.add(each)
                    self._choices[position] = _alike(seen)

    def between(self, after: str, until: str) -> Cut | None:
        """A cut with `after < key < until` ("" is no limit), or None where none seems worth it."""
        if not after.startswith(self._prefix):
            return None
        start, bound = len(self._prefix), bool(until)
        for depth, choices in enumerate(self._choices[: len(after) - start + 1]):
            at = start + depth
            low, high = after[at : at + 1], until[at : at + 1] if bound else ""
            if bound and not high:
                return None
            low = max(low, "/")
            fit = [each for each in choices if low < each and (not bound or each < high)]
            if fit:
                key = after[:at] + fit[len(fit) // 2] + _NO_NAME
                return Cut(key, depth + 1) if len(key.encode()) <= _LONGEST_KEY else None
            bound = bound and after[at : at + 1] == high
        return None


def _alike(seen: set[str]) -> list[str]:
    """The characters seen, and all digits if there is one, all letters if there are several.

    Of other scripts, whose extent nobody knows, some further and further behind the last one seen.
    Control characters are left out: not every store can be asked for them.
    """
    found = set(seen)
    for each in _CLASSES:
        common = len(seen & each)
        if common > 1 or (common and each is _CLASSES[0]):
            found |= each
    if len(seen) > 1 and not (last := max(seen)).isascii():
        found |= {chr(min(ord(last) + 2**step, sys.maxunicode)) for step in range(16)}
    return sorted(filter(str.isprintable, found))
