"""The strategy `sentences`: whole sentences of a section, whatever its paragraphs are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from include.chunking.budgeted import BudgetedChunker
from include.chunking.cutting import SENTENCES, right_trimmed, sentence_starts
from include.chunking.tokens import TokenIndex
from include.chunking.units import SECTION, Unit, units_of
from include.documents import Block


class SentenceChunker(BudgetedChunker):
    """Puts neighbouring sentences of a section together; paragraphs do not hold it up.

    For text whose paragraphs mean nothing: transcripts, subtitles, pages from a scanner. Code,
    tables and lists that fit stay whole. Overlap repeats whole sentences.
    """

    version = "sentences-1"

    def _units(self, text: str, blocks: Sequence[Block], index: TokenIndex) -> list[Unit]:
        return sentence_units(text, blocks, index, self._budget.planned)


def sentence_units(
    text: str, blocks: Sequence[Block], index: TokenIndex, budget: int
) -> list[Unit]:
    """One unit for each sentence, the first of a section with its headings.

    A boundary between two paragraphs is as strong as one between two sentences.
    """
    units = units_of(text, blocks, index, budget)
    return [part for unit in units for part in _sentences(text, index, unit)]


def _sentences(text: str, index: TokenIndex, unit: Unit) -> Iterator[Unit]:
    strength = unit.strength if unit.strength >= SECTION else min(unit.strength, SENTENCES)
    cuts = [] if unit.lined else list(sentence_starts(text, unit.body, unit.end))
    if not cuts:
        yield unit._replace(strength=strength)
        return
    ends = [*(right_trimmed(text, cut) for cut in cuts), unit.end]
    starts = [unit.start, *cuts]
    before, after = index.before(starts), index.before(ends)
    for at, (start, end) in enumerate(zip(starts, ends, strict=True)):
        yield Unit(
            start,
            end,
            before[at],
            after[at],
            SENTENCES if at else strength,
            start if at else unit.body,
            False,
        )
