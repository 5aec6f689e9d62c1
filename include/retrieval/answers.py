"""Answers: what is told to the person who asked, where it stands, and how it came about.

An answer without a chat model is extractive: whole sentences of the documents, word for word, and
labelled so. Every answerer fills the same `Answer` and `Trace`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal

from include.documents import Hit
from include.metadata import SOURCE_VERSION
from include.retrieval.search import Mode

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Citation:
    """A cited place: `document[start:end] == text` in this version of the document."""

    marker: int
    chunk_id: str
    uri: str
    version: str
    start: int
    end: int
    title: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What is told to the person who asked. `[1]` in the answer refers to the citation's marker.

    `problems` are sentences about an answer that is not quite what was asked for; `finish_reason`
    is `length` for one that was cut off. One that was given to a similar question before names its
    trace in `cached_from`, and the questions' `cosine`.
    """

    answer: str
    citations: tuple[Citation, ...]
    model: str
    prompt: Mapping[str, object] | None
    index: str
    usage: Mapping[str, int]
    cost_usd: Decimal
    trace_id: str
    problems: tuple[str, ...] = ()
    finish_reason: str = "stop"
    cached_from: str = ""
    cosine: float | None = None

    def as_json(self) -> Json:
        """The answer as JSON values; money as a decimal string."""
        return asdict(self) | {
            "citations": [asdict(citation) for citation in self.citations],
            "cost_usd": f"{self.cost_usd:f}",
            "problems": list(self.problems),
        }


@dataclass(frozen=True, slots=True)
class TracedHit:
    """A chunk that the answer could draw on, without its text.

    `source_version` is the version that a versioned bucket keeps; "" where there is none.
    """

    chunk_id: str
    document_id: str
    uri: str
    version: str
    start: int
    end: int
    score: float
    source_version: str = ""

    @classmethod
    def of(cls, hit: Hit) -> TracedHit:
        """The hit's place and score."""
        place = (hit.chunk_id, hit.document_id, hit.uri, hit.version, hit.start, hit.end)
        return cls(*place, hit.score, str(hit.metadata.get(SOURCE_VERSION, "")))


@dataclass(frozen=True, slots=True)
class Trace:
    """The whole chain behind one answer: enough to ask again and to compare.

    `narrowed` is what the search was narrowed to: filter, principals, distinct documents. `request`
    names the exact messages that a chat model was sent, "" where none was. `history` are the turns
    of a conversation before the question: their traces, and which documents they cite.
    `cached_question` is the one that an answer from the semantic cache was given to.
    """

    trace_id: str
    asked_at: datetime
    seconds: float
    question: str
    mode: Mode
    k: int
    embedder: str
    hits: tuple[TracedHit, ...]
    answer: Answer
    narrowed: Mapping[str, object] = field(default_factory=dict)
    request: str = ""
    history: tuple[Mapping[str, object], ...] = ()
    cached_question: str = ""

    def as_json(self) -> Json:
        """The trace as JSON values, the answer's own keys inside `answer`."""
        return {
            **asdict(self),
            "asked_at": self.asked_at.isoformat(),
            "hits": [asdict(hit) for hit in self.hits],
            "history": list(self.history),
            "answer": self.answer.as_json(),
        }
