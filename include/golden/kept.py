"""The golden set in the lake: candidates that wait, what people decided, and what is asked from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from include.documents import digest
from include.errors import ConfigurationError
from include.evaluation.questions import Question
from include.storage.tables import Tables

Json = dict[str, Any]
WAITING, ACCEPTED, REJECTED = "waiting", "accepted", "rejected"
STATES = (WAITING, ACCEPTED, REJECTED)
EDITED = "edited"
FEWEST = 10
"""From so many accepted questions on, they are what evaluations ask."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that waits for a person, with what should answer it."""

    question: str
    answer: str
    passage: str
    document_id: str
    relevant: Mapping[str, float]
    tags: tuple[str, ...]

    @property
    def id(self) -> str:
        """Names the question as it was made, whatever it is edited to."""
        return f"golden-{digest('golden question', self.question, *sorted(self.relevant))[:12]}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a question; `question` replaces its text where it is not empty."""

    id: str
    state: str
    question: str = ""


def add(tables: Tables, candidates: Sequence[Candidate], at: datetime) -> int:
    """Lets these wait; how many are new. What was decided before stays decided."""
    rows = [
        {
            "id": each.id,
            "state": WAITING,
            "question": each.question,
            "answer": each.answer,
            "passage": each.passage,
            "document_id": each.document_id,
            "relevant": json.dumps(dict(each.relevant), ensure_ascii=False),
            "tags": list(each.tags),
            "by": "",
            "at": at,
        }
        for each in candidates
    ]
    if not rows:
        return 0
    frame = _frame(pl.DataFrame(rows, schema_overrides={"tags": pl.List(pl.String)}))
    return tables.golden.insert_missing(frame).inserted


def questions_of(tables: Tables, state: str | None = None, most: int = 1_000_000) -> list[Json]:
    """The rows in this state, or all, those that came first first; `relevant` is a mapping."""
    rows = tables.golden.read(None, {"state": state} if state else None).sort("at", "id").head(most)
    return [row | {"relevant": json.loads(row["relevant"])} for row in rows.to_dicts()]


def decide(tables: Tables, decisions: Sequence[Decision], by: str) -> int:
    """Records decisions, in place of earlier ones; how many questions they were about.

    Raises ConfigurationError, with nothing recorded, for a question that there is not.
    """
    chosen = {each.id: each for each in decisions}
    rows = tables.golden.lookup(list(chosen))
    unknown = sorted(set(chosen) - set(rows["id"]))
    if unknown:
        raise ConfigurationError(
            f"There is no question {unknown[0]!r}: `python -m include golden list` shows them."
        )
    decided = [_decided(row, chosen[row["id"]], by) for row in rows.iter_rows(named=True)]
    if decided:
        tables.golden.upsert(_frame(pl.DataFrame(decided, schema=rows.schema)))
    return len(decided)


def accepted(tables: Tables) -> list[Question]:
    """The accepted questions about documents that are still indexed, in the order of their ids."""
    rows = sorted(questions_of(tables, ACCEPTED), key=lambda row: str(row["id"]))
    uris = {uri for row in rows for uri in row["relevant"]}
    held = set(tables.documents.read(["uri"], {"uri": sorted(uris)})["uri"]) if uris else set()
    return [as_question(row) for row in rows if held & row["relevant"].keys()]


def as_question(row: Json) -> Question:
    """A row of the table as a golden question."""
    answer = row["answer"] or None
    return Question(row["id"], row["question"], row["relevant"], answer, tuple(row["tags"]))


def forget_undecided(tables: Tables) -> int:
    """Deletes questions about documents that are gone, but those that a person accepted; how many."""
    rows = tables.golden.read(["id", "document_id", "state"]).filter(pl.col("state") != ACCEPTED)
    known = tables.documents.read(["id"]).rename({"id": "document_id"})
    gone = rows.join(known, on="document_id", how="anti")["id"].to_list()
    return tables.golden.delete(gone).deleted


def _decided(row: Json, decision: Decision, by: str) -> Json:
    text, tags = " ".join(decision.question.split()), list(row["tags"])
    if text and text != row["question"]:
        row, tags = row | {"question": text}, [tag for tag in tags if tag != EDITED] + [EDITED]
    return row | {"state": decision.state, "tags": tags, "by": by, "at": datetime.now(UTC)}


def _frame(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("at").dt.cast_time_unit("us"))
