"""`search`, `ask` and `trace`: reading from an index."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from include.documents import Hit
from include.errors import ConfigurationError
from include.retrieval.search import Mode, Searcher
from include.spending.caller import Caller
from include.wiring import Platform

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a question is narrowed to; nothing by default, but for the setting of `distinct`.

    `principals` are the labels of whoever asks; None is no restriction.
    """

    filter: str | None = None
    principals: Sequence[str] | None = None
    distinct: bool | None = None

    def as_json(self) -> Json:
        """What is narrowed, for a trace."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def searcher(
    platform: Platform, index: str | None = None, narrowing: Narrowing = Narrowing()
) -> Searcher:
    """A searcher on the live index, or on the one named, within what it is narrowed to.

    Raises ConfigurationError when there is none yet, when another model filled it, or for a filter
    that cannot be read.
    """
    scope = platform.scope(narrowing.filter, narrowing.principals)
    name = index or platform.live_index()
    if platform.registry.get(name).embedder != platform.embedder.identity.id:
        raise ConfigurationError(
            f"The index {name!r} was filled by {platform.registry.get(name).embedder!r}; the "
            f"configured RAG_EMBEDDER is {platform.embedder.identity.id!r}. Set it back, or make "
            f"the index for it: `python -m include sync --rebuild`."
        )
    distinct = platform.distinct(deduplicate=narrowing.distinct)
    return Searcher(platform.embedder, platform.store, name, scope=scope, distinct=distinct)


def search(chosen: Searcher, text: str, *, k: int = 10, mode: Mode = "hybrid") -> Json:
    """The `k` best chunks for a text."""
    return {"index": chosen.index, "hits": [_hit(hit) for hit in chosen.search(text, k, mode=mode)]}


def _hit(hit: Hit) -> Json:
    shown = {**asdict(hit), "heading": list(hit.heading), "metadata": dict(hit.metadata)}
    if not hit.page:
        del shown["page"]
    return shown


def ask(platform: Platform, text: str, *, k: int = 10, narrowing: Narrowing = Narrowing()) -> Json:
    """An answer from the documents with its citations; its trace is kept in the lake."""
    from include.retrieval.extractive import ExtractiveAnswerer
    from include.retrieval.generative import GenerativeAnswerer

    platform.caller = Caller(task="ask")
    chosen, sections = searcher(platform, None, narrowing), platform.section_text
    extracts, chat = ExtractiveAnswerer(chosen, section_text=sections), platform.chat_model
    answerer = (
        GenerativeAnswerer(chosen, chat, extracts, section_text=sections) if chat else extracts
    )
    trace = replace(answerer.ask(text, k), narrowed=narrowing.as_json())
    body = json.dumps(trace.as_json(), ensure_ascii=False, indent=1).encode("utf-8")
    platform.lake.objects.write(_trace_path(trace.trace_id), body)
    return trace.answer.as_json()


def trace(platform: Platform, trace_id: str) -> Json:
    """The whole chain behind an answer. Raises ConfigurationError for an unknown id."""
    known = re.fullmatch(r"[0-9a-f-]{36}", trace_id)
    stored = platform.lake.objects.read(_trace_path(trace_id)) if known else None
    if stored is None:
        raise ConfigurationError(
            f"There is no trace {trace_id!r} in {platform.settings.lake_uri}: `ask` prints the id "
            f"of each answer."
        )
    chain: Json = json.loads(stored.data)
    return chain


def _trace_path(trace_id: str) -> str:
    return f"traces/{trace_id}.json"
