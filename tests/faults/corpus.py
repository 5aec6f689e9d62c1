"""A small corpus of which every document has a word of its own, and one round of edits to it."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SYLLABLES = ("ba", "ko", "mi", "tu", "ze", "fra", "lu", "ny", "po", "vex")
_WORDS_PER_PARAGRAPH = 14
_WRITTEN = 1_767_225_600  # 2026-01-01: settled, so that no run waits for the clock


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder of `documents` texts, each of about as many chunks as it has paragraphs."""

    folder: Path
    documents: int
    paragraphs: int

    def write(self) -> None:
        """The state before the edits."""
        self.folder.mkdir(parents=True)
        for number in range(self.documents):
            self._write(number, [self._paragraph(number, at) for at in range(self.paragraphs)])

    def edit(self) -> None:
        """Changes half the paragraphs of 30 %, removes 10 %, adds 10 %."""
        tenth = self.documents // 10
        for number in range(3 * tenth):
            old = [self._paragraph(number, at) for at in range(self.paragraphs)]
            kept = [text for at, text in enumerate(old) if at % 2]
            new = [self._paragraph(number, at, "new") for at in range(self.paragraphs // 2)]
            self._write(number, [*new, *kept], later=1)
        for number in range(3 * tenth, 4 * tenth):
            self._path(number).unlink()
        for number in range(self.documents, self.documents + tenth):
            self._write(number, [self._paragraph(number, at) for at in range(self.paragraphs)])

    def rewrite(self, edition: str, *, later: int) -> None:
        """Writes half of all documents anew, in words that no other edition has."""
        for number in range(self.documents // 2):
            new = [self._paragraph(number, at, edition) for at in range(self.paragraphs)]
            self._write(number, new, later=later)

    def _path(self, number: int) -> Path:
        return self.folder / f"{marker(number)}.txt"

    def _write(self, number: int, paragraphs: Sequence[str], later: int = 0) -> None:
        self._path(number).write_text("\n\n".join(paragraphs) + "\n")
        os.utime(self._path(number), (_WRITTEN + later, _WRITTEN + later))

    def _paragraph(self, number: int, at: int, edition: str = "old") -> str:
        chance = random.Random(f"{number} {at} {edition}")
        words = ["".join(chance.choices(_SYLLABLES, k=3)) for _ in range(_WORDS_PER_PARAGRAPH)]
        return f"{marker(number)} {' '.join(words)}."


def marker(number: int) -> str:
    """The word of this document, which no other document has."""
    return "q" + "".join(_SYLLABLES[int(digit)] + "x" for digit in f"{number:04d}")
