"""Context packing: ranked chunks become passages that fit a budget. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from include.documents import Hit

GAP = 4
"""White space characters that may lie between two chunks that follow each other."""


SectionText = Callable[[Hit], str]
"""The text of the document's `[context_start:context_end]`; empty where it cannot be had."""


@dataclass(frozen=True, slots=True)
class Section:
    """The part of a document around its hits that is read in their place."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """Consecutive chunks of one document as one text, in the order of the document.

    `score` is that of its best chunk. `text` equals the document's `[start:end]` except that a
    gap of white space between two chunks is one blank line. With a `section` the text is the
    section's; the chunks in it are what is cited.
    """

    hits: tuple[Hit, ...]
    section: Section | None = None

    @property
    def start(self) -> int:
        """Where the passage begins in the document."""
        return self.section.start if self.section else self.hits[0].start

    @property
    def end(self) -> int:
        """Where the passage ends in the document."""
        return self.section.end if self.section else max(hit.end for hit in self.hits)

    @property
    def score(self) -> float:
        """The best score of its chunks."""
        return max(hit.score for hit in self.hits)

    @property
    def text(self) -> str:
        """The text of all chunks, where what two of them share stands once, or the section's."""
        if self.section:
            return self.section.text
        parts, end = [self.hits[0].text], self.hits[0].end
        for hit in self.hits[1:]:
            if hit.end <= end:
                continue
            parts.append("\n\n" + hit.text if hit.start > end else hit.text[end - hit.start :])
            end = hit.end
        return "".join(parts)

    def widened(self) -> Hit | None:
        """The best chunk with the section as its text; None without a section."""
        if not self.section:
            return None
        best = max(self.hits, key=lambda hit: hit.score)
        found = self.section
        return replace(best, text=found.text, start=found.start, end=found.end)


def pack(
    hits: Sequence[Hit],
    *,
    budget: int,
    per_document: int = 4,
    measure: Callable[[str], int] = len,
    section_text: SectionText | None = None,
) -> list[Passage]:
    """Passages, best first, of chunks that, measured one by one, stay within `budget` together.

    Takes hits in rank order: at most `per_document` chunks of a document, each chunk once, and
    skips one that no longer fits while later ones may. Then joins chunks that overlap or follow
    each other, and orders passages by their best-ranked chunk. `measure` counts characters unless
    a tokenizer's count is given.

    With `section_text` a chunk whose context is wider than itself stands for that section, which
    is measured in its place, once for all its chunks. Where the section does not fit or does not
    hold the chunk, the chunk stands for itself.
    """
    packing = _Packing(budget, per_document, measure, section_text)
    for hit in hits:
        packing.offer(hit)
    rank = {hit.chunk_id: number for number, hit in enumerate(packing.chosen)}
    return sorted(packing.passages(), key=lambda each: min(rank[hit.chunk_id] for hit in each.hits))


class _Packing:
    """What is chosen so far, and how much room is left."""

    def __init__(
        self,
        budget: int,
        per_document: int,
        measure: Callable[[str], int],
        section_text: SectionText | None,
    ) -> None:
        self.chosen: list[Hit] = []
        self._left = budget
        self._per_document = per_document
        self._measure = measure
        self._section_text = section_text
        self._sections: dict[tuple[str, str, int, int], tuple[Section, list[Hit]]] = {}
        self._alone: list[Hit] = []
        self._places: Counter[str] = Counter()

    def offer(self, hit: Hit) -> None:
        """Takes the next hit in rank order, if it is new and there is room for it."""
        if any(other.chunk_id == hit.chunk_id for other in self.chosen):
            return
        held = self._sections.get(_parent(hit))
        if held and _holds(held[0], hit):
            held[1].append(hit)
            self.chosen.append(hit)
        elif self._places[hit.document_id] < self._per_document:
            section = self._section(hit)
            if section and self._takes(hit, section.text):
                self._sections[_parent(hit)] = (section, [hit])
            elif self._takes(hit, hit.text):
                self._alone.append(hit)

    def passages(self) -> list[Passage]:
        """What was taken, in no particular order."""
        sections = [
            Passage(tuple(sorted(hits, key=_place)), section)
            for section, hits in self._sections.values()
        ]
        return [*sections, *_joined(self._alone)]

    def _section(self, hit: Hit) -> Section | None:
        wider = hit.context_start < hit.start or hit.end < hit.context_end
        if self._section_text is None or not wider or hit.context_end < hit.end:
            return None
        found = Section(hit.context_start, hit.context_end, self._section_text(hit))
        return found if _holds(found, hit) else None

    def _takes(self, hit: Hit, text: str) -> bool:
        size = self._measure(text)
        if size > self._left:
            return False
        self._left -= size
        self._places[hit.document_id] += 1
        self.chosen.append(hit)
        return True


def _parent(hit: Hit) -> tuple[str, str, int, int]:
    return hit.document_id, hit.version, hit.context_start, hit.context_end


def _holds(section: Section, hit: Hit) -> bool:
    """The section's text has the chunk's text where it should be."""
    at = hit.start - section.start
    return at >= 0 and section.text[at : at + len(hit.text)] == hit.text


def _place(hit: Hit) -> tuple[str, int, int, str]:
    return hit.document_id, hit.start, hit.end, hit.chunk_id


def _joined(hits: Sequence[Hit]) -> list[Passage]:
    runs: list[list[Hit]] = []
    for hit in sorted(hits, key=_place):
        if runs and _follows(runs[-1], hit):
            runs[-1].append(hit)
        else:
            runs.append([hit])
    return [Passage(tuple(run)) for run in runs]


def _follows(run: Sequence[Hit], hit: Hit) -> bool:
    same = run[0].document_id == hit.document_id and run[0].version == hit.version
    return same and hit.start <= max(other.end for other in run) + GAP
