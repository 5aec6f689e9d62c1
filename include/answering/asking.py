"""One question: who answers it, and the trace that is kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from include.answering.reuse import Similar
from include.answering.scope import scope_of
from include.answering.traces import find_trace, keep_trace, stored_trace
from include.documents import digest
from include.embedding.last_query import LastQuery
from include.errors import PlatformError
from include.indexes import EVERYTHING, Narrowing, searcher
from include.llm.protocol import Heard
from include.llm.questions import keepable
from include.retrieval.answers import Trace
from include.retrieval.conversation import MOST_TURNS, Turn, recent
from include.retrieval.extractive import ExtractiveAnswerer
from include.retrieval.generative import RESCUED, GenerativeAnswerer, Render
from include.retrieval.search import Searcher
from include.wiring import Platform

__all__ = [
    "PLAINLY",
    "PROMPT",
    "Answerer",
    "Asking",
    "Similar",
    "answerer",
    "ask",
    "find_trace",
    "prompt_of",
    "replay",
    "similar",
    "stored_trace",
    "subject_of",
    "turns_of",
]

Json = dict[str, Any]
Answerer = ExtractiveAnswerer | GenerativeAnswerer
PROMPT = "answer"
CHAT_PROMPT = "chat"


@dataclass(frozen=True, slots=True)
class Asking:
    """How questions are asked. `prompt` is a version or a label; None is what production has.

    After an error of `rescued` a model's answer is replaced by extracts, labelled so; others raise.
    A question after `turns` is asked with the prompt `chat`, one without with `answer`. A `fresh`
    answer is none that was given to a similar question.
    """

    k: int = 10
    narrowing: Narrowing = EVERYTHING
    prompt: str | None = None
    rescued: tuple[type[PlatformError], ...] = RESCUED
    turns: tuple[Turn, ...] = ()
    fresh: bool = False

    @property
    def prompt_name(self) -> str:
        """The prompt it is asked with."""
        return CHAT_PROMPT if self.turns else PROMPT


PLAINLY = Asking()


def answerer(
    platform: Platform, asking: Asking = PLAINLY, within: Searcher | None = None
) -> Answerer:
    """Who answers: the configured chat model, or without one the documents' own sentences.

    The live index is searched, unless there is a searcher already. Raises ConfigurationError as
    `searcher`, and for a prompt that there is not.
    """
    chosen = within or searcher(platform, None, asking.narrowing)
    if platform.settings.llm.semantic_cache:
        chosen = replace(chosen, embedder=LastQuery(chosen.embedder))
    sections, chat, turns = platform.section_text, platform.chat_model, asking.turns
    extracts = ExtractiveAnswerer(chosen, section_text=sections, turns=turns)
    if asking.prompt is not None:
        platform.prompts.find(asking.prompt_name, asking.prompt)
    if chat is None:
        return extracts
    return GenerativeAnswerer(
        chosen, chat, _render(platform, asking), extracts, section_text=sections,
        rescued=asking.rescued, turns=turns,
    )  # fmt: skip


def ask(
    platform: Platform,
    who: Answerer,
    question: str,
    asking: Asking = PLAINLY,
    *,
    heard: Heard | None = None,
) -> Trace:
    """The answer inside its trace, which is kept in the lake; `heard` gets a model's words.

    With RAG_SEMANTIC_CACHE it may be one that was given to a question that asks the same.
    """
    before = similar(platform, who, question, asking)
    found = before.find() if before and not asking.fresh else None
    if found and heard:
        heard(found.answer.answer)
    trace = replace(
        found or _asked(who, question, asking, heard),
        narrowed=asking.narrowing.as_json(),
        history=tuple(each.as_json() for each in asking.turns),
    )
    keep_trace(platform, trace)
    if before:
        before.keep(trace)
    return trace


def _asked(who: Answerer, question: str, asking: Asking, heard: Heard | None) -> Trace:
    if isinstance(who, GenerativeAnswerer):
        return who.ask(question, asking.k, heard=heard)
    return who.ask(question, asking.k)


def similar(platform: Platform, who: Answerer, question: str, asking: Asking) -> Similar | None:
    """Where the question may find an answer, and leave its own; `ask` does both.

    None without a threshold in the settings, without a chat model (extracts cost nothing), for a
    question that is empty or too long to keep, and in a conversation: the question has to say by
    itself what it asks.
    """
    off = not platform.settings.llm.semantic_cache or asking.turns
    if off or not isinstance(who, GenerativeAnswerer) or not keepable(question):
        return None
    prompt = (PROMPT, *prompt_of(platform, question, asking.prompt))
    scope = scope_of(platform, who, asking, prompt)
    return Similar(platform, who, question, who.searcher.embedder.embed_query(question), scope)


def replay(platform: Platform, trace_id: str) -> Json:
    """Asks a traced question again as it was asked then, and tells what differs now.

    The prompt is the version of that time, from the record if nobody has it any more. An answer
    that the cache still holds costs nothing; any other is paid for.
    """
    then = stored_trace(platform, trace_id)
    prompt = then["answer"]["prompt"]
    asking = Asking(
        then["k"],
        _narrowing(then["narrowed"]),
        prompt and prompt["version"],
        turns=turns_of(platform, [each["trace_id"] for each in then.get("history", ())]),
        fresh=True,
    )
    who = answerer(platform, asking)
    now = ask(platform, who, then["question"], asking).as_json()
    answer: Any = now["answer"]
    same = {
        "index": then["answer"]["index"] == answer["index"],
        "hits": _places(then) == _places(now),
        "prompt": _version(then) == _version(now),
        "request": then.get("request") == now["request"],
        "model": then["answer"]["model"] == answer["model"],
        "answer": then["answer"]["answer"] == answer["answer"],
    }
    return {"trace_id": trace_id, "replayed_as": now["trace_id"], "same": same, "now": now}


def turns_of(platform: Platform, trace_ids: Sequence[str]) -> tuple[Turn, ...]:
    """The turns of a conversation, in order, from their traces; what was erased is left out."""
    traces = [trace for each in trace_ids[-MOST_TURNS:] if (trace := find_trace(platform, each))]
    return recent([_turn(trace) for trace in traces])


def prompt_of(platform: Platform, question: str, wanted: str | None) -> tuple[str, str]:
    """Version and hash of the prompt that this question would be asked with."""
    version = platform.prompts.find(PROMPT, wanted, subject=subject_of(question)).version
    return version.version, version.text.hash


def subject_of(question: str) -> str:
    """What a split between two versions goes by: a question is asked with the same one each time."""
    return digest("question", question)


def _render(platform: Platform, asking: Asking) -> Render:
    return lambda question, values: platform.prompts.get(
        asking.prompt_name, asking.prompt, subject=subject_of(question)
    ).render(values)


def _turn(trace: Json) -> Turn:
    """What a later question reads again; the documents of earlier turns are this one's, too."""
    read = [each["uri"] for each in trace["hits"]]
    earlier = [uri for each in trace.get("history", ()) for uri in each["uris"]]
    uris = tuple(dict.fromkeys([*read, *earlier]))
    return Turn(trace["question"], trace["answer"]["answer"], trace["trace_id"], uris)


def _narrowing(told: Mapping[str, Any]) -> Narrowing:
    return Narrowing(told.get("filter"), told.get("principals"), told.get("distinct"))


def _places(trace: Json) -> list[tuple[object, ...]]:
    return [(hit["chunk_id"], hit["version"], hit["start"], hit["end"]) for hit in trace["hits"]]


def _version(trace: Json) -> tuple[object, ...]:
    prompt = trace["answer"]["prompt"] or {}
    return tuple(prompt.get(key) for key in ("name", "version", "hash"))
