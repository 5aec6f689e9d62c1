"""Every evaluation of a lake, and the trend of those that can be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from include.documents import digest
from include.evaluation.questions import Question
from include.storage.tables import EVALUATIONS, Tables


@dataclass(frozen=True, slots=True)
class Past:
    """One evaluation of the past: when, of which index, its metrics and its verdict."""

    id: str
    at: datetime
    index: str
    metrics: Mapping[str, float]
    verdict: str


def questions_hash(questions: Sequence[Question]) -> str:
    """Names a set of questions with their grades; evaluations with the same one are comparable."""
    parts = (json.dumps([q.id, q.question, sorted(q.relevant.items())]) for q in questions)
    return digest("questions", *parts)


def remember(
    tables: Tables, report: Mapping[str, object], *, asked: str, run_id: str, at: datetime
) -> None:
    """Keeps an evaluation's report under its run; the same run again replaces it.

    It holds no address and no text of a document: an erasure finds nothing to remove here.
    """
    row = {
        "id": run_id,
        "at": at,
        "index": report["index"],
        "against": report.get("against") or "",
        "mode": report["mode"],
        "questions": report["questions"],
        "questions_hash": asked,
        "metrics": json.dumps(report["metrics"]),
        "verdict": report["verdict"],
        "reasons": json.dumps(report.get("reasons", [])),
        "report": json.dumps(report),
    }
    tables.evaluations.upsert(pa.Table.from_pylist([row], EVALUATIONS))


def trend(tables: Tables, asked: str, mode: str, most: int = 50) -> list[Past]:
    """The latest evaluations with the same questions in the same mode, oldest first."""
    columns = ["id", "at", "index", "metrics", "verdict"]
    rows = tables.evaluations.read(columns, {"questions_hash": asked, "mode": mode})
    return [
        Past(row["id"], row["at"], row["index"], json.loads(row["metrics"]), row["verdict"])
        for row in rows.sort("at", "id").tail(most).iter_rows(named=True)
    ]


def latest_state(tables: Tables, index: str, against: str, *, but: str = "") -> str:
    """The state in which the last evaluation of these found the index; "" when it is not known.

    The evaluation of the run `but` does not count.
    """
    rows = tables.evaluations.read(["id", "at", "report"], {"index": index, "against": against})
    reports = [row["report"] for row in rows.sort("at").iter_rows(named=True) if row["id"] != but]
    return str(json.loads(reports[-1]).get("state", "")) if reports else ""
