"""Extractive answers: the best sentences of the best chunks, word for word, each with its place."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from include.documents import Hit
from include.retrieval.answers import Answer, Citation, Trace, TracedHit
from include.retrieval.context import SectionText, pack
from include.retrieval.conversation import Turn, searched_for
from include.retrieval.extract import Extract, ExtractOptions, Sentence, candidates, choose
from include.retrieval.search import Mode, Searcher
from include.retrieval.sentences import readable

EXTRACTIVE = "extractive"
NOTHING_RELEVANT = "Nothing relevant was found in the indexed documents."


@dataclass(frozen=True, slots=True)
class ExtractiveAnswerer:
    """Answers with sentences of the best chunks; spends nothing but embeddings.

    `budget` is how many characters of chunks are read, `most_sentences` how many sentences of
    them are embedded with each question. With `section_text` the sections around small chunks are
    read as well, after the chunks; a citation names the chunk that led there. Clock and ids are arguments so that tests can fix them.
    """

    searcher: Searcher
    options: ExtractOptions = field(default_factory=ExtractOptions)
    budget: int = 20_000
    most_sentences: int = 80
    section_text: SectionText | None = None
    turns: Sequence[Turn] = ()
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())

    def ask(self, question: str, k: int = 10, *, mode: Mode = "hybrid") -> Trace:
        """The answer to a question from the `k` best chunks, inside its trace.

        Raises ConfigurationError where `Searcher.search` does. Finding nothing is an answer.
        """
        asked_at, trace_id = self.clock(), self.new_id()
        searched = searched_for(question, self.turns)
        hits = self.searcher.search(searched, k, mode=mode)
        text, citations = compose(self._extracts(searched, hits))
        answer = Answer(
            answer=text,
            citations=citations,
            model=EXTRACTIVE,
            prompt=None,
            index=self.searcher.index,
            usage={"input_tokens": 0, "output_tokens": 0},
            cost_usd=Decimal(0),
            trace_id=trace_id,
        )
        return Trace(
            trace_id=trace_id,
            asked_at=asked_at,
            seconds=(self.clock() - asked_at).total_seconds(),
            question=question,
            mode=mode,
            k=k,
            embedder=self.searcher.embedder.identity.id,
            hits=tuple(TracedHit.of(hit) for hit in hits),
            answer=answer,
        )

    def _extracts(self, question: str, hits: Sequence[Hit]) -> list[Extract]:
        passages = pack(hits, budget=self.budget, section_text=self.section_text)
        chunks = [hit for passage in passages for hit in passage.hits]
        sections = [wide for passage in passages if (wide := passage.widened())]
        found = candidates([*chunks, *sections], most=self.most_sentences)
        if not found:
            return []
        embedder = self.searcher.embedder
        texts = [readable(sentence.text) for sentence in found]
        asked = embedder.embed_query(question)
        vectors = np.vstack([asked, embedder.embed_documents(texts)])
        return choose(question, found, vectors, self.options)


def compose(extracts: Sequence[Extract]) -> tuple[str, tuple[Citation, ...]]:
    """The answer's text and its citations: one line a document, best document first.

    A line names the document and holds its sentences in their order, each followed by its marker;
    sentences that follow each other in one chunk share one citation. Markers count from 1.
    """
    documents: dict[str, list[Extract]] = {}
    for extract in extracts:
        documents.setdefault(extract.sentence.hit.document_id, []).append(extract)
    lines: list[str] = []
    citations: list[Citation] = []
    for ours in documents.values():
        parts = []
        for run in _runs(sorted(ours, key=lambda extract: extract.sentence.start)):
            citations.append(_citation(len(citations) + 1, run))
            parts.append(f"{readable(citations[-1].text)} [{len(citations)}]")
        lines.append(f"{ours[0].sentence.hit.title}: {' '.join(parts)}")
    return "\n".join(lines) or NOTHING_RELEVANT, tuple(citations)


def _runs(extracts: Sequence[Extract]) -> list[list[Extract]]:
    runs: list[list[Extract]] = []
    for extract in extracts:
        if runs and _adjoins(runs[-1][-1].sentence, extract.sentence):
            runs[-1].append(extract)
        else:
            runs.append([extract])
    return runs


def _adjoins(one: Sentence, other: Sentence) -> bool:
    """Only white space lies between the two, in the same chunk and paragraph."""
    between = one.hit.text[one.end - one.hit.start : other.start - one.hit.start]
    return one.hit == other.hit and not between.strip() and "\n\n" not in between


def _citation(marker: int, run: Sequence[Extract]) -> Citation:
    hit, start, end = run[0].sentence.hit, run[0].sentence.start, run[-1].sentence.end
    return Citation(
        marker=marker,
        chunk_id=hit.chunk_id,
        uri=hit.uri,
        version=hit.version,
        start=start,
        end=end,
        title=hit.title,
        text=hit.text[start - hit.start : end - hit.start],
        score=max(extract.score for extract in run),
    )
