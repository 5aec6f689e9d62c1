"""Extraction: the sentences of ranked chunks that answer a question, chosen without a chat model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from include.documents import Hit
from include.embedding.protocol import FloatArray
from include.retrieval.sentences import sentences

_ENDING = re.compile(r"(?:ies|ing|ed|es|s|ly)$")
_FUNCTION_WORDS = (
    "a an and are as at be but by can could do does did for from had has have how i if in into is "
    "it its may my no not of on or should so than that the their them then there these they this "
    "to was we were what when where which who why will with would you your"
)
_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a hit: `hit.text` holds it, `start` and `end` are offsets in the document."""

    hit: Hit
    start: int
    end: int

    @property
    def text(self) -> str:
        """The sentence exactly as the document has it."""
        return self.hit.text[self.start - self.hit.start : self.end - self.hit.start]


@dataclass(frozen=True, slots=True)
class Extract:
    """A chosen sentence; `score` lies in [0, 1] and says how well it fits the question."""

    sentence: Sentence
    score: float


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """How sentences are judged, and how many may be chosen.

    A sentence's score is the weighted mean of its cosine with the question, the share of the
    question's words it holds (rare ones count more), and its chunk's score as a share of the best
    chunk's. `least_similarity` is the cosine the most similar sentence must reach: below it nothing
    is relevant. Sentences below `close` times the best score are left out, and those whose cosine
    with a better one is above `alike`.

    The defaults were chosen with all-MiniLM-L6-v2 on the 80 golden questions about Python packages:
    76 answers cite a relevant document, 59 begin with one, 38 hold the expected words verbatim. None
    of them is called irrelevant, and 92 of 100 XQuAD questions asked of the same documents are. A
    model whose cosines are higher throughout (E5, BGE) needs a higher `least_similarity`.
    """

    meaning: float = 0.5
    words: float = 0.2
    rank: float = 0.3
    least_similarity: float = 0.4
    close: float = 0.7
    alike: float = 0.9
    sentences: int = 5
    per_document: int = 3


def candidates(hits: Sequence[Hit], *, most: int) -> list[Sentence]:
    """The sentences of the hits in rank order, each place of a document once, at most `most`."""
    found: list[Sentence] = []
    for hit in hits:
        for start, end in sentences(hit.text):
            here = Sentence(hit, hit.start + start, hit.start + end)
            if not any(_overlap(here, other) for other in found):
                found.append(here)
            if len(found) == most:
                return found
    return found


def choose(
    question: str, found: Sequence[Sentence], vectors: FloatArray, options: ExtractOptions
) -> list[Extract]:
    """The sentences that answer best, best first; none when nothing is relevant.

    `vectors` holds the question's unit vector, then one for each sentence.
    """
    similar = vectors[1:] @ vectors[0]
    if not found or similar.max() < options.least_similarity:
        return []
    scores = (
        options.meaning * similar
        + options.words * _shared_words(question, found)
        + options.rank * _shares([sentence.hit.score for sentence in found])
    )
    chosen: list[int] = []
    for place in np.argsort(-scores, kind="stable").tolist():
        full = len(chosen) == options.sentences
        if full or (chosen and scores[place] < options.close * scores[chosen[0]]):
            break
        document = found[place].hit.document_id
        ours = sum(found[other].hit.document_id == document for other in chosen)
        alike = any(vectors[place + 1] @ vectors[other + 1] > options.alike for other in chosen)
        if ours < options.per_document and not alike:
            chosen.append(place)
    return [Extract(found[place], float(scores[place])) for place in chosen]


def _shared_words(question: str, found: Sequence[Sentence]) -> FloatArray:
    """Per sentence, the share of the question's words it holds, weighted by their rarity here."""
    asked = _stems(question)
    held = [_stems(f"{sentence.hit.title} {sentence.text}") & asked for sentence in found]
    rarity = {
        stem: np.log1p(len(found) / (1 + sum(stem in stems for stems in held))) for stem in asked
    }
    total = sum(rarity.values()) or 1.0
    shares = [sum(rarity[stem] for stem in sorted(stems)) / total for stems in held]
    return np.asarray(shares, dtype=np.float32)


def _shares(scores: Sequence[float]) -> FloatArray:
    best = max(scores)
    return np.asarray([max(0.0, s) / best if best > 0 else 0.0 for s in scores], dtype=np.float32)


def _stems(text: str) -> set[str]:
    """Lower-cased words without English stop words and endings: crude, and only for counting."""
    words = (word for word in re.findall(r"\w+", text.lower()) if word not in _STOP_WORDS)
    return {_ENDING.sub("", word) if len(word) > 4 else word for word in words}


def _overlap(one: Sentence, other: Sentence) -> bool:
    same = one.hit.document_id == other.hit.document_id
    return same and one.start < other.end and other.start < one.end
