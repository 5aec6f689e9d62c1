"""Answers that were given to a question that asks the same: the semantic cache (docs/costs.md).

An answer is shared within one scope: the same index in the same state, readers with the same labels,
the same filter, prompt, models and parameters. Within it, the questions' vectors have to be alike and
their words must not tell them apart. What fails any of this is asked as if there were no cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from include.answering.distinctions import distinction
from include.answering.traces import find_trace
from include.documents import digest
from include.embedding.protocol import FloatArray
from include.llm.questions import KnownQuestion, nearest
from include.observability.log import stage
from include.retrieval.answers import Answer, Citation, Trace, TracedHit
from include.retrieval.generative import GenerativeAnswerer
from include.spending.entries import Purpose
from include.spending.prices import Tokens
from include.wiring import Platform

_MOST_TRACES = 3
"""So many stored answers are looked at for one question."""


@dataclass(frozen=True, slots=True)
class Similar:
    """A question about to be asked: what it may find, and where its own answer is left.

    `scope` names the state of everything as it was before the question is answered.
    """

    platform: Platform
    who: GenerativeAnswerer
    question: str
    vector: FloatArray
    scope: str

    def find(self) -> Trace | None:
        """A trace of its own with the answer to a question that asks the same; in the ledger, free.

        None when there is none whose citations are all in the index.
        """
        began = self.who.clock()
        with stage("reuse") as event:
            known = self.platform.questions.recent(self.scope)
            alike = self._alike(known)
            found = next(self._answers(alike), None)
            event |= {"compared": len(known), "alike": len(alike), "found": found is not None}
        return self._recorded(found, began) if found else None

    def keep(self, trace: Trace) -> None:
        """Leaves the answer for others, if it is one to be proud of.

        That is: written now, by the first model of the fallback order, with citations, without
        problems. The trace has to be stored already.
        """
        answer = trace.answer
        first = self.who.chat.name.partition(",")[0]
        if answer.cached_from or answer.model != first or answer.problems or not answer.citations:
            return
        seconds = self.platform.settings.llm.response_cache_seconds
        question = KnownQuestion(self.question, self.vector, trace.trace_id)
        self.platform.questions.put(self.scope, question, seconds)

    def _alike(self, known: Sequence[KnownQuestion]) -> list[tuple[float, KnownQuestion]]:
        """Questions that may share an answer, the most similar first, with their cosines."""
        least = self.platform.settings.llm.semantic_cache
        return [
            (cosine, each)
            for cosine, each in nearest(self.vector, known, least)
            if not distinction(self.question, each.text)
        ]

    def _answers(self, alike: Sequence[tuple[float, KnownQuestion]]) -> Iterator[Trace]:
        for cosine, known in alike[:_MOST_TRACES]:
            then = _read(self.platform, known)
            if then and self._still_holds(then):
                yield self._answered_again(then, cosine)

    def _still_holds(self, then: Trace) -> bool:
        """Whether every chunk that the answer cites is in the index, in that version."""
        cited = {(each.chunk_id, each.version) for each in then.answer.citations}
        chunks = {chunk for chunk, _ in cited}
        documents = {hit.document_id for hit in then.hits if hit.chunk_id in chunks}
        searcher = self.who.searcher
        rows = searcher.store.rows(searcher.index, sorted(documents))
        return bool(cited) and cited <= set(rows.select("id", "version").iter_rows())

    def _answered_again(self, then: Trace, cosine: float) -> Trace:
        trace_id = self.who.new_id()
        answer = replace(
            then.answer,
            usage={**then.answer.usage, "from_cache": 1},
            cost_usd=Decimal(0),
            trace_id=trace_id,
            cached_from=then.trace_id,
            cosine=round(cosine, 6),
        )
        return replace(
            then,
            trace_id=trace_id,
            question=self.question,
            answer=answer,
            request="",
            cached_question=then.question,
        )

    def _recorded(self, trace: Trace, began: datetime) -> Trace:
        """The same with its times, once the ledger has it."""
        answer, endpoint = trace.answer, self.platform.remote.endpoint
        prompt: Any = answer.prompt or {}
        purpose = Purpose(
            operation="chat",
            provider=endpoint.provider,
            model=answer.model.removeprefix("openai:"),
            endpoint=endpoint.name,
            content=digest("question", self.question),
            prompt=prompt.get("name", ""),
            prompt_version=prompt.get("version", ""),
            prompt_hash=prompt.get("hash", ""),
            trace=trace.trace_id,
        )
        tokens = Tokens(answer.usage["input_tokens"], answer.usage["output_tokens"])
        self.platform.spending.record_hit(purpose, tokens)
        seconds = (self.who.clock() - began).total_seconds()
        return replace(trace, asked_at=began, seconds=seconds)


def _read(platform: Platform, known: KnownQuestion) -> Trace | None:
    """The trace of the question as it was stored; None when it is gone or damaged."""
    try:
        held = find_trace(platform, known.trace_id)
        if held is None or held["question"] != known.text:
            return None
        told = held["answer"]
        read = {
            "citations": tuple(Citation(**each) for each in told["citations"]),
            "usage": {name: int(told["usage"][name]) for name in ("input_tokens", "output_tokens")},
            "prompt": dict(told["prompt"]),
            "cost_usd": Decimal(told["cost_usd"]),
            "problems": tuple(told["problems"]),
        }
        answer = Answer(**told | read)
        hits = tuple(TracedHit(**each) for each in held["hits"])
        asked_at = datetime.fromisoformat(held["asked_at"])
        return Trace(**held | {"asked_at": asked_at, "hits": hits, "answer": answer})
    except (ValueError, TypeError, KeyError, ArithmeticError):
        return None
