"""Answers that a chat model writes from the best chunks, every citation checked."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from include.documents import Hit, digest
from include.errors import BudgetError, ModelError, PlatformError, TransientError
from include.llm.protocol import ChatModel, ChatRequest, Completion, Heard
from include.llm.rendered import chat_messages, named
from include.observability.log import warn
from include.prompts import RenderedPrompt
from include.retrieval.answers import Answer, Citation, Trace, TracedHit
from include.retrieval.context import Passage, SectionText, pack
from include.retrieval.conversation import Turn, history_of, searched_for
from include.retrieval.extractive import NOTHING_RELEVANT, ExtractiveAnswerer
from include.retrieval.search import Mode, Searcher

MOST_CHARACTERS = 20_000
"""Of passages that a model reads for one answer."""
OUTPUT_TOKENS = 1_024
"""As long as an answer may be."""
_MARKER = re.compile(r"\[(\d+(?:\s*[,;]\s*\d+)*)\]")
_SPACE = re.compile(r"[ \t]+(?=[.,;:!?]|$)|(?<=[ \t])[ \t]+", re.MULTILINE)
_NUMBER = re.compile(r"\d+")

Render = Callable[[str, Mapping[str, Any]], RenderedPrompt]
"""The prompt `answer`, or in a conversation `chat`, for this question with these values."""
RESCUED: tuple[type[PlatformError], ...] = (TransientError, ModelError, BudgetError)


@dataclass(frozen=True, slots=True)
class GenerativeAnswerer:
    """Answers with a chat model; with `fallback`'s extracts, labelled so, when no model can.

    `render` writes the request. `budget` is how many characters of passages the model reads.
    Errors that are not `rescued` by extracts are raised. `turns` came before the question; the
    fallback has them, too.
    """

    searcher: Searcher
    chat: ChatModel
    render: Render
    fallback: ExtractiveAnswerer
    budget: int = MOST_CHARACTERS
    max_output_tokens: int = OUTPUT_TOKENS
    section_text: SectionText | None = None
    rescued: tuple[type[PlatformError], ...] = RESCUED
    turns: Sequence[Turn] = ()
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())

    def ask(
        self, question: str, k: int = 10, *, mode: Mode = "hybrid", heard: Heard | None = None
    ) -> Trace:
        """The answer to a question from the `k` best chunks, inside its trace.

        `heard` gets the model's words as it writes them, before their citations are checked; none
        of extracts. Raises ConfigurationError where `Searcher.search` does, and for a key or price
        that is missing. Finding nothing is an answer, and asks no model.
        """
        asked_at, trace_id = self.clock(), self.new_id()
        hits = self.searcher.search(searched_for(question, self.turns), k, mode=mode)
        passages = pack(hits, budget=self.budget, section_text=self.section_text)
        if not passages:
            return self.fallback.ask(question, k, mode=mode)
        rendered = self.render(question, values_of(question, passages, self.turns))
        request = ChatRequest(
            chat_messages(rendered),
            named(rendered),
            max_output_tokens=self.max_output_tokens,
            trace=trace_id,
        )
        try:
            completion = self.chat.complete(request, heard=heard)
        except self.rescued as error:
            return self._extracted(question, k, mode, trace_id, error)
        return Trace(
            trace_id=trace_id,
            asked_at=asked_at,
            seconds=(self.clock() - asked_at).total_seconds(),
            question=question,
            mode=mode,
            k=k,
            embedder=self.searcher.embedder.identity.id,
            hits=tuple(TracedHit.of(hit) for hit in hits),
            answer=self._answer(completion, passages, rendered, trace_id),
            request=digest("request", rendered.system, rendered.user),
        )

    def _answer(
        self,
        completion: Completion,
        passages: Sequence[Passage],
        rendered: RenderedPrompt,
        trace_id: str,
    ) -> Answer:
        text, cited, problems = checked_citations(completion.text, len(passages))
        if completion.finish_reason == "length":
            problems.append(f"The answer was cut off at {self.max_output_tokens} tokens.")
        usage = {
            "input_tokens": completion.input_tokens,
            "output_tokens": completion.output_tokens,
        }
        return Answer(
            answer=text or NOTHING_RELEVANT,
            citations=tuple(_citation(marker, passages[marker - 1]) for marker in cited),
            model=completion.model,
            prompt=rendered.identity | {"label": rendered.label},
            index=self.searcher.index,
            usage=usage | {"from_cache": int(completion.cached)},
            cost_usd=completion.cost_usd,
            trace_id=trace_id,
            problems=tuple(problems),
            finish_reason=completion.finish_reason,
        )

    def _extracted(
        self, question: str, k: int, mode: Mode, trace_id: str, error: Exception
    ) -> Trace:
        warn(f"{self.chat.name} gave no answer, quoting the documents instead. {error}")
        extracts = replace(self.fallback, new_id=lambda: trace_id)
        trace = extracts.ask(question, k, mode=mode)
        told = f"{self.chat.name} gave no answer ({type(error).__name__}); these are extracts."
        return replace(trace, answer=replace(trace.answer, problems=(told,)))


def checked_citations(text: str, passages: int) -> tuple[str, list[int], list[str]]:
    """The text with markers of real passages only, these in order of first use, and the problems.

    `[1, 3]` becomes `[1][3]`. A marker of a passage that was not given is removed and reported.
    """
    cited: dict[int, None] = {}
    unknown: dict[str, None] = {}

    def keep(match: re.Match[str]) -> str:
        kept = []
        for number in _NUMBER.findall(match[1]):
            if len(number) < 10 and 1 <= int(number) <= passages:
                cited[int(number)] = None
                kept.append(f"[{int(number)}]")
            else:
                unknown[number[:10]] = None
        return "".join(kept)

    checked = _MARKER.sub(keep, text)
    if unknown:
        checked = _SPACE.sub("", checked)
    removed = [f"[{number}] cites no passage that was given; it was removed." for number in unknown]
    if not cited:
        removed.append("The answer cites no passage.")
    return checked.strip(), list(cited), removed


def values_of(
    question: str, passages: Sequence[Passage], turns: Sequence[Turn] = ()
) -> dict[str, Any]:
    """The values of the prompt `answer`, with turns before the question of the prompt `chat`."""
    values = {"question": question, "passages": passages_of(passages)}
    return values | {"history": history_of(turns)} if turns else values


def passages_of(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """Passages as prompts take them; a title is one line, whatever a document calls itself."""
    return [
        {"number": number, "title": " ".join(each.hits[0].title.split()), "text": each.text}
        for number, each in enumerate(passages, start=1)
    ]


def _citation(marker: int, passage: Passage) -> Citation:
    """The passage's place; its best chunk's where gaps keep the passage from being one span."""
    best: Hit = max(passage.hits, key=lambda hit: hit.score)
    whole = len(passage.text) == passage.end - passage.start
    return Citation(
        marker=marker,
        chunk_id=best.chunk_id,
        uri=best.uri,
        version=best.version,
        start=passage.start if whole else best.start,
        end=passage.end if whole else best.end,
        title=best.title,
        text=passage.text if whole else best.text,
        score=passage.score,
    )
