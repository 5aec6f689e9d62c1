"""Traces of answers in the lake: one JSON object each, named by its id."""

from __future__ import annotations

import json
import re
from typing import Any

from include.errors import ConfigurationError
from include.retrieval.answers import Trace
from include.wiring import Platform

Json = dict[str, Any]


def keep_trace(platform: Platform, trace: Trace) -> None:
    """Writes it."""
    body = json.dumps(trace.as_json(), ensure_ascii=False, indent=1).encode("utf-8")
    platform.lake.objects.write(_path(trace.trace_id), body)


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


def _path(trace_id: str) -> str:
    return f"traces/{trace_id}.json"
