"""How far back a chunk repeats the one before it: by whole sentences or lines."""

from __future__ import annotations

from collections.abc import Sequence

from include.chunking.cutting import line_starts, sentence_starts
from include.chunking.units import SECTION, Unit


def overlap_start(text: str, previous: Sequence[Unit], start: int, earliest: int) -> int:
    """The first place not before `earliest` where a sentence or line of `previous` starts.

    It stays in the section that ends the chunk before, never repeats that chunk as a whole, and
    is `start` when nothing smaller than the room begins there.
    """
    found = start
    for unit in reversed(previous):
        if unit.start < earliest or unit.start == previous[0].start:
            begins = (line_starts if unit.lined else sentence_starts)(text, unit.body, unit.end)
            return next((begin for begin in begins if begin >= earliest), found)
        found = unit.start
        if unit.strength >= SECTION:
            break
    return found
