"""`search`, `ask` and `trace`: reading from an index."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from include.answering import asking as asking_
from include.answering.asking import Asking
from include.documents import Hit
from include.indexes import EVERYTHING, Narrowing, searcher
from include.retrieval.search import Mode, Searcher
from include.spending.caller import Caller
from include.wiring import Platform

Json = dict[str, Any]
__all__ = ["Asking", "Narrowing", "answered", "ask", "search", "searcher", "trace"]


def search(chosen: Searcher, text: str, *, k: int = 10, mode: Mode = "hybrid") -> Json:
    """The `k` best chunks for a text."""
    return {"index": chosen.index, "hits": [_hit(hit) for hit in chosen.search(text, k, mode=mode)]}


def _hit(hit: Hit) -> Json:
    shown = {**asdict(hit), "heading": list(hit.heading), "metadata": dict(hit.metadata)}
    if not hit.page:
        del shown["page"]
    return shown


def ask(
    platform: Platform,
    text: str,
    *,
    k: int = 10,
    narrowing: Narrowing = EVERYTHING,
    prompt: str | None = None,
) -> Json:
    """An answer from the documents with its citations; its trace is kept in the lake."""
    return answered(platform, text, Asking(k, narrowing, prompt))


def answered(platform: Platform, text: str, asking: Asking) -> Json:
    """`ask` as `asking` says; `cached_question` is the one that the answer was given to before."""
    platform.caller = Caller(task="ask")
    trace = asking_.ask(platform, asking_.answerer(platform, asking), text, asking)
    return trace.answer.as_json() | {"cached_question": trace.cached_question}


def trace(platform: Platform, trace_id: str, *, replay: bool = False) -> Json:
    """The whole chain behind an answer; asked again as it was, with `replay`."""
    if not replay:
        return asking_.stored_trace(platform, trace_id)
    platform.caller = Caller(task="replay")
    return asking_.replay(platform, trace_id)
