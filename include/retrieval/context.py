"""Context packing: ranked chunks become passages that fit a budget. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from include.documents import Hit

GAP = 4
"""White space characters that may lie between two chunks that follow each other."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Consecutive chunks of one document as one text, in the order of the document.

    `score` is that of its best chunk. `text` equals the document's `[start:end]` except that a
    gap of white space between two chunks is one blank line.
    """

    hits: tuple[Hit, ...]

    @property
    def start(self) -> int:
        """Where the passage begins in the document."""
        return self.hits[0].start

    @property
    def end(self) -> int:
        """Where the passage ends in the document."""
        return max(hit.end for hit in self.hits)

    @property
    def score(self) -> float:
        """The best score of its chunks."""
        return max(hit.score for hit in self.hits)

    @property
    def text(self) -> str:
        """The text of all chunks; what two of them share stands once."""
        parts, end = [self.hits[0].text], self.hits[0].end
        for hit in self.hits[1:]:
            if hit.end <= end:
                continue
            parts.append("\n\n" + hit.text if hit.start > end else hit.text[end - hit.start :])
            end = hit.end
        return "".join(parts)


def pack(
    hits: Sequence[Hit],
    *,
    budget: int,
    per_document: int = 4,
    measure: Callable[[str], int] = len,
) -> list[Passage]:
    """Passages, best first, of chunks that, measured one by one, stay within `budget` together.

    Takes hits in rank order: at most `per_document` chunks of a document, each chunk once, and
    skips one that no longer fits while later ones may. Then joins chunks that overlap or follow
    each other, and orders passages by their best-ranked chunk. `measure` counts characters unless
    a tokenizer's count is given.
    """
    chosen: list[Hit] = []
    seen: set[str] = set()
    left = budget
    for hit in hits:
        size = measure(hit.text)
        full = sum(other.document_id == hit.document_id for other in chosen) >= per_document
        if hit.chunk_id not in seen and not full and size <= left:
            seen.add(hit.chunk_id)
            chosen.append(hit)
            left -= size
    rank = {hit.chunk_id: number for number, hit in enumerate(chosen)}
    passages = _joined(chosen)
    return sorted(passages, key=lambda passage: min(rank[hit.chunk_id] for hit in passage.hits))


def _joined(hits: Sequence[Hit]) -> list[Passage]:
    runs: list[list[Hit]] = []
    for hit in sorted(hits, key=lambda hit: (hit.document_id, hit.start, hit.end, hit.chunk_id)):
        if runs and _follows(runs[-1], hit):
            runs[-1].append(hit)
        else:
            runs.append([hit])
    return [Passage(tuple(run)) for run in runs]


def _follows(run: Sequence[Hit], hit: Hit) -> bool:
    same = run[0].document_id == hit.document_id and run[0].version == hit.version
    return same and hit.start <= max(other.end for other in run) + GAP
