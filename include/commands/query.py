"""`search`, `ask` and `trace`: reading from an index."""

from __future__ import annotations

import time
from typing import Any

from include.answering import asking as asking_
from include.answering.asking import Asking
from include.indexes import EVERYTHING, Narrowing, searcher
from include.retrieval.search import Mode, Searcher
from include.spending.caller import Caller
from include.storage.query_log import Outcome
from include.wiring import Platform

Json = dict[str, Any]
__all__ = [
    "Asking",
    "Narrowing",
    "answered",
    "ask",
    "logged_search",
    "search",
    "searcher",
    "trace",
]


def search(chosen: Searcher, text: str, *, k: int = 10, mode: Mode = "hybrid") -> Json:
    """The `k` best chunks for a text."""
    hits = chosen.search(text, k, mode=mode)
    return {"index": chosen.index, "hits": [hit.as_json() for hit in hits]}


def logged_search(
    platform: Platform, chosen: Searcher, text: str, *, k: int = 10, mode: Mode = "hybrid"
) -> Json:
    """`search` for a person: the query goes into the log, if there is one."""
    began = time.monotonic()
    found = search(chosen, text, k=k, mode=mode)
    scores = [hit["score"] for hit in found["hits"]]
    seconds = time.monotonic() - began
    platform.query_log.note(text, Outcome("search", chosen.index, mode, k, scores, seconds))
    return found


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
    """`ask` as `asking` says; `cached_question` is the one that the answer was given to before.

    The question goes into the log of queries, if there is one.
    """
    platform.caller = Caller(task="ask")
    trace = asking_.ask(platform, asking_.answerer(platform, asking), text, asking)
    scores = [hit.score for hit in trace.hits]
    outcome = Outcome("ask", trace.answer.index, trace.mode, asking.k, scores, trace.seconds)
    platform.query_log.note(text, outcome)
    return trace.answer.as_json() | {"cached_question": trace.cached_question}


def trace(platform: Platform, trace_id: str, *, replay: bool = False) -> Json:
    """The whole chain behind an answer; asked again as it was, with `replay`."""
    if not replay:
        return asking_.stored_trace(platform, trace_id)
    platform.caller = Caller(task="replay")
    return asking_.replay(platform, trace_id)
