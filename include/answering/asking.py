"""One question: who answers it, and the trace that is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from include.answering.reuse import Similar
from include.answering.scope import scope_of
from include.answering.traces import find_trace, keep_trace, stored_trace
from include.documents import digest
from include.embedding.last_query import LastQuery
from include.errors import PlatformError
from include.indexes import EVERYTHING, Narrowing, searcher
from include.llm.questions import keepable
from include.retrieval.answers import Trace
from include.retrieval.extractive import ExtractiveAnswerer
from include.retrieval.generative import RESCUED, GenerativeAnswerer, Render
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
]

Json = dict[str, Any]
Answerer = ExtractiveAnswerer | GenerativeAnswerer
PROMPT = "answer"


@dataclass(frozen=True, slots=True)
class Asking:
    """How questions are asked. `prompt` is a version or a label; None is what production has.

    After an error of `rescued` a model's answer is replaced by extracts, labelled so; others raise.
    A `fresh` answer is none that was given to a similar question.
    """

    k: int = 10
    narrowing: Narrowing = EVERYTHING
    prompt: str | None = None
    rescued: tuple[type[PlatformError], ...] = RESCUED
    fresh: bool = False


PLAINLY = Asking()


def answerer(platform: Platform, asking: Asking = PLAINLY) -> Answerer:
    """Who answers: the configured chat model, or without one the documents' own sentences.

    Raises ConfigurationError as `searcher`, and for a prompt that there is not.
    """
    chosen, sections = searcher(platform, None, asking.narrowing), platform.section_text
    if platform.settings.llm.semantic_cache:
        chosen = replace(chosen, embedder=LastQuery(chosen.embedder))
    extracts, chat = ExtractiveAnswerer(chosen, section_text=sections), platform.chat_model
    if asking.prompt is not None:
        platform.prompts.find(PROMPT, asking.prompt)
    if chat is None:
        return extracts
    return GenerativeAnswerer(
        chosen, chat, _render(platform, asking.prompt), extracts, section_text=sections,
        rescued=asking.rescued,
    )  # fmt: skip


def ask(platform: Platform, who: Answerer, question: str, asking: Asking = PLAINLY) -> Trace:
    """The answer inside its trace, which is kept in the lake.

    With RAG_SEMANTIC_CACHE it may be one that was given to a question that asks the same.
    """
    before = similar(platform, who, question, asking)
    found = before.find() if before and not asking.fresh else None
    trace = replace(found or who.ask(question, asking.k), narrowed=asking.narrowing.as_json())
    keep_trace(platform, trace)
    if before:
        before.keep(trace)
    return trace


def similar(platform: Platform, who: Answerer, question: str, asking: Asking) -> Similar | None:
    """Where the question may find an answer, and leave its own; `ask` does both.

    None without a threshold in the settings, without a chat model (extracts cost nothing), and for
    a question that is empty or too long to keep. The question has to say by itself what it asks.
    """
    off = not platform.settings.llm.semantic_cache
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
    version = prompt and prompt["version"]
    asking = Asking(then["k"], _narrowing(then["narrowed"]), version, fresh=True)
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


def prompt_of(platform: Platform, question: str, wanted: str | None) -> tuple[str, str]:
    """Version and hash of the prompt that this question would be asked with."""
    version = platform.prompts.find(PROMPT, wanted, subject=subject_of(question)).version
    return version.version, version.text.hash


def subject_of(question: str) -> str:
    """What a split between two versions goes by: a question is asked with the same one each time."""
    return digest("question", question)


def _render(platform: Platform, wanted: str | None) -> Render:
    return lambda question, values: platform.prompts.get(
        PROMPT, wanted, subject=subject_of(question)
    ).render(values)


def _narrowing(told: Mapping[str, Any]) -> Narrowing:
    return Narrowing(told.get("filter"), told.get("principals"), told.get("distinct"))


def _places(trace: Json) -> list[tuple[object, ...]]:
    return [(hit["chunk_id"], hit["version"], hit["start"], hit["end"]) for hit in trace["hits"]]


def _version(trace: Json) -> tuple[object, ...]:
    prompt = trace["answer"]["prompt"] or {}
    return tuple(prompt.get(key) for key in ("name", "version", "hash"))
