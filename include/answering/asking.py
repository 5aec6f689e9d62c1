"""One question: who answers it, and the trace that is kept of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from include.documents import digest
from include.errors import ConfigurationError, PlatformError
from include.indexes import EVERYTHING, Narrowing, searcher
from include.llm.protocol import Heard
from include.retrieval.answers import Trace
from include.retrieval.conversation import MOST_TURNS, Turn, recent
from include.retrieval.extractive import ExtractiveAnswerer
from include.retrieval.generative import RESCUED, GenerativeAnswerer, Render
from include.retrieval.search import Searcher
from include.wiring import Platform

Json = dict[str, Any]
Answerer = ExtractiveAnswerer | GenerativeAnswerer
PROMPT = "answer"
CHAT_PROMPT = "chat"


@dataclass(frozen=True, slots=True)
class Asking:
    """How questions are asked. `prompt` is a version or a label; None is what production has.

    After an error of `rescued` a model's answer is replaced by extracts, labelled so; others raise.
    A question after `turns` is asked with the prompt `chat`, one without with `answer`.
    """

    k: int = 10
    narrowing: Narrowing = EVERYTHING
    prompt: str | None = None
    rescued: tuple[type[PlatformError], ...] = RESCUED
    turns: tuple[Turn, ...] = ()

    @property
    def prompt_name(self) -> str:
        """The prompt it is asked with."""
        return CHAT_PROMPT if self.turns else PROMPT


PLAINLY = Asking()


def answerer(
    platform: Platform, asking: Asking = PLAINLY, within: Searcher | None = None
) -> Answerer:
    """Who answers: the configured chat model, or without one the documents' own sentences.

    The live index is searched, unless there is a searcher already. Raises ConfigurationError as `searcher`, and for a prompt that there is not.
    """
    chosen = within or searcher(platform, None, asking.narrowing)
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
    """The answer inside its trace, which is kept in the lake; `heard` gets a model's words."""
    if isinstance(who, GenerativeAnswerer):
        found = who.ask(question, asking.k, heard=heard)
    else:
        found = who.ask(question, asking.k)
    trace = replace(
        found,
        narrowed=asking.narrowing.as_json(),
        history=tuple(each.as_json() for each in asking.turns),
    )
    body = json.dumps(trace.as_json(), ensure_ascii=False, indent=1).encode("utf-8")
    platform.lake.objects.write(_path(trace.trace_id), body)
    return trace


def stored_trace(platform: Platform, trace_id: str) -> Json:
    """The whole chain behind an answer. Raises ConfigurationError for an unknown id."""
    found = find_trace(platform, trace_id)
    if found is None:
        raise ConfigurationError(
            f"There is no trace {trace_id!r} in {platform.settings.lake_uri}: `ask` prints the id "
            f"of each answer."
        )
    return found


def find_trace(platform: Platform, trace_id: str) -> Json | None:
    """A stored trace; None when there is none, or no longer."""
    known = re.fullmatch(r"[0-9a-f-]{36}", trace_id)
    stored = platform.lake.objects.read(_path(trace_id)) if known else None
    found: Json | None = json.loads(stored.data) if stored else None
    return found


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


def _path(trace_id: str) -> str:
    return f"traces/{trace_id}.json"
