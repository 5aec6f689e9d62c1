"""Snippets: pieces of a text by which it would be recognised wherever it is left."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

SHORTEST, LONGEST = 24, 60
WANTED = 8

# None of these survives JSON, HTML and CSV as it is.
_PLAIN = re.compile(r"""[^\s<>&"'\\][^\n\r\t<>&"'\\]*""")
_CANDIDATES = 40


def candidates(texts: Iterable[str], seed: int) -> list[str]:
    """Random pieces of 24 to 60 characters of these texts, each written alike in every format.

    Pieces are whole runs of words. A text without any is too short to be recognised by one.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret, only spread
    runs = [run for text in sorted(texts) for run in _runs(text)]
    # Longer runs are chosen more often: every place of the text has about the same chance.
    chosen = chance.choices(runs, [len(run) for run in runs], k=_CANDIDATES) if runs else []
    return list(dict.fromkeys(_piece(run, chance) for run in chosen))


def distinctive(pieces: Sequence[str], others: Iterable[str]) -> list[str]:
    """At most eight of the pieces that occur in none of the other texts."""
    left = list(pieces)
    for text in others:
        left = [piece for piece in left if piece not in text]
    return left[:WANTED]


def _runs(text: str) -> list[str]:
    found = (match.group().strip() for match in _PLAIN.finditer(text))
    return [run for run in found if len(run) >= SHORTEST]


def _piece(run: str, chance: random.Random) -> str:
    length = min(len(run), chance.randint(SHORTEST, LONGEST))
    start = chance.randint(0, len(run) - length)
    piece = run[start : start + length].strip()
    return piece if len(piece) >= SHORTEST else run[:LONGEST].strip()
