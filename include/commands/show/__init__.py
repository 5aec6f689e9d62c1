"""What people read: each function turns a command's JSON into a few lines of plain text."""

from __future__ import annotations

import json
from typing import Any

from include.commands.show.answers import answer, hits
from include.commands.show.evaluations import comparison, evaluation, golden
from include.commands.show.lake import duplicates, erasure, quarantine, status, verification
from include.commands.show.runs import forecast, indexes, plan, receipt

__all__ = [
    "answer",
    "comparison",
    "duplicates",
    "erasure",
    "evaluation",
    "forecast",
    "golden",
    "hits",
    "indexes",
    "plain",
    "plan",
    "quarantine",
    "receipt",
    "status",
    "verification",
]


def plain(answer: dict[str, Any]) -> str:
    """The JSON, indented."""
    return json.dumps(answer, indent=2, ensure_ascii=False)
