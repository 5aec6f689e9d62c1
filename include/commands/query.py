"""`search`, `ask` and `trace`: reading from an index."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import Any

from include.documents import Hit
from include.errors import ConfigurationError
from include.indexes import EVERYTHING, Narrowing, searcher
from include.retrieval.search import Mode, Searcher
from include.spending.caller import Caller
from include.wiring import Platform

Json = dict[str, Any]
__all__ = ["Narrowing", "ask", "search", "searcher", "trace"]


def search(chosen: Searcher, text: str, *, k: int = 10, mode: Mode = "hybrid") -> Json:
    """The `k` best chunks for a text."""
    return {"index": chosen.index, "hits": [_hit(hit) for hit in chosen.search(text, k, mode=mode)]}


def _hit(hit: Hit) -> Json:
    shown = {**asdict(hit), "heading": list(hit.heading), "metadata": dict(hit.metadata)}
    if not hit.page:
        del shown["page"]
    return shown


def ask(platform: Platform, text: str, *, k: int = 10, narrowing: Narrowing = EVERYTHING) -> Json:
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
