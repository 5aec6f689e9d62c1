"""A file of questions, answered: planned in bounded batches, each answer kept as it comes.

An answer is known by question, index and its last change, prompt version, models and narrowing:
whoever asks the same again, in this run or another, gets what was paid for. `answers/<key>.json` in
the lake holds the id of its trace and nothing else, so that an erasure of the trace is one of the
answer. A run remembers the answers that it has by question alone: an index or a prompt that changes
while it runs makes it neither ask again nor lose them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from include.answering.asking import Asking, answerer, ask, find_trace, prompt_of
from include.answering.questions import Asked
from include.documents import digest
from include.errors import BudgetError, ModelError, PlatformError
from include.observability.log import stage
from include.retrieval.answers import Trace
from include.retrieval.extractive import EXTRACTIVE
from include.storage.artifacts import Artifacts
from include.wiring import Platform

Json = dict[str, Any]
FOLDER = "answers"
QUESTIONS = pl.Schema({"id": pl.String(), "question": pl.String()})
_KNOWN = pl.Schema({**QUESTIONS, "trace_id": pl.String()})
SMALLEST_BATCH = 10
"""Fewer questions are not worth a task of their own."""
IN_BATCHES: tuple[type[PlatformError], ...] = (ModelError,)
"""What extracts replace in a batch: an API that is down is tried again, a budget ends the batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some questions of the file."""

    label: str
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a batch did: answers paid for or made, answers that were there, questions left open."""

    made: int = 0
    known: int = 0
    open: int = 0
    stopped: str = ""


def plan(
    platform: Platform, questions: Sequence[Asked], asking: Asking, artifacts: Artifacts
) -> list[Batch]:
    """Writes the questions down and cuts those without an answer into at most so many batches."""
    kept = _Kept(platform, asking, artifacts)
    rows = [asdict(each) | {"trace_id": kept.known(each.question)} for each in questions]
    planned = pl.DataFrame(rows, schema=_KNOWN)
    missing = planned.filter(pl.col("trace_id").is_null()).select(*QUESTIONS)
    artifacts.write("questions", planned)
    artifacts.write("missing", missing)
    count = missing.height
    size = max(SMALLEST_BATCH, -(-count // platform.settings.max_mapped_tasks))
    return [
        Batch(f"{at + 1}-{min(at + size, count)}", at, min(size, count - at))
        for at in range(0, count, size)
    ]


def answer_batch(
    platform: Platform,
    batch: Batch,
    asking: Asking,
    artifacts: Artifacts,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Done:
    """Answers what nobody has answered yet; one question that no model can answer stops no other.

    A budget that is used up ends the batch, and so does an API that is not to be had, with
    TransientError; what was paid for is kept.
    """
    rows = artifacts.read(artifacts.list("missing"))
    kept, who = _Kept(platform, asking, artifacts), answerer(platform, asking)
    made = known = 0
    with stage("answer", batch=batch.label) as event:
        for row in rows[batch.first : batch.first + batch.count].iter_rows(named=True):
            if kept.answer(row["question"]) is not None:
                known += 1
                continue
            try:
                kept.put(ask(platform, who, row["question"], asking))
            except BudgetError as error:
                left = batch.count - made - known
                event |= {"made": made, "known": known, "open": left}
                return Done(made, known, left, str(error))
            made += 1
            on_progress(1)
        event |= {"made": made, "known": known}
    return Done(made, known)


def collect(platform: Platform, asking: Asking, artifacts: Artifacts) -> Json:
    """Writes all answers that there are by now; the counts, the cost, and where they are.

    `cost_usd` of an answer is what it cost when it was made.
    """
    kept = _Kept(platform, asking, artifacts)
    asked = artifacts.read(artifacts.list("questions")).iter_rows(named=True)
    rows = [_row(row, kept.answer(row["question"], row["trace_id"])) for row in asked]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    flat = [row | {"citations": json.dumps(row["citations"], ensure_ascii=False),
                   "problems": "\n".join(row["problems"])} for row in rows]  # fmt: skip
    answered = [row for row in rows if row["answer"] is not None]
    result = {
        "run_id": artifacts.run_id,
        "questions": len(rows),
        "answered": len(answered),
        "open": len(rows) - len(answered),
        "extractive": sum(row["model"] == EXTRACTIVE for row in answered),
        "cost_usd": f"{sum((Decimal(row['cost_usd']) for row in answered), Decimal(0)):f}",
        "jsonl": artifacts.write_text("answers.jsonl", lines),
        "parquet": artifacts.write("answers", pl.DataFrame(flat, schema=_FLAT)),
    }
    artifacts.write_json("receipt", result)  # the run is over: an erasure may take it
    return result


_FLAT = pl.Schema(
    {name: pl.String() for name in ("id", "question", "answer", "citations", "model",
     "prompt_version", "prompt_hash", "index", "cost_usd", "trace_id", "cached_from", "problems")}
)  # fmt: skip


def _row(row: Json, answer: Json | None) -> Json:
    answer = answer or {}
    prompt = answer.get("prompt") or {}
    told = ("answer", "model", "index", "cost_usd", "trace_id", "cached_from")
    return {
        **{name: row[name] for name in QUESTIONS},
        **{name: answer.get(name) for name in told},
        "citations": answer.get("citations", []),
        "prompt_version": prompt.get("version"),
        "prompt_hash": prompt.get("hash"),
        "problems": answer.get("problems", []) if answer else ["It has no answer yet."],
    }


class _Kept:
    """Answers that were given: a name is the same while nothing changed that could change them.

    Where extracts stand in for a model that gave none, they count for this run alone.
    """

    def __init__(self, platform: Platform, asking: Asking, artifacts: Artifacts) -> None:
        self._platform, self._asking, self._artifacts = platform, asking, artifacts
        sync = platform.registry.last_sync() or {}
        narrowed = json.dumps(asking.narrowing.as_json(), sort_keys=True)
        models, index = platform.settings.chat_model, platform.live_index()
        self._state = [index, str(sync.get("run_id")), models, str(asking.k), narrowed]

    def known(self, question: str) -> str | None:
        """The trace of an answer that any run may have, if it is still there."""
        stored = self._platform.lake.objects.read(self._path(question, self._prompt(question)))
        held: Json = json.loads(stored.data) if stored else {}
        name: str | None = None if held.get("only_for") else held.get("trace_id")
        return name if name and find_trace(self._platform, name) else None

    def answer(self, question: str, trace_id: str | None = None) -> Json | None:
        """The answer of that trace, of this run, or of any; if its trace is still there."""
        name = trace_id or self._artifacts.find_json(_of_run(question)) or self.known(question)
        trace = find_trace(self._platform, name) if name else None
        return trace["answer"] if trace else None

    def put(self, trace: Trace) -> None:
        """Keeps an answer, under the prompt that made it."""
        answer, question = trace.answer, trace.question
        if not (self._has_model and answer.model == EXTRACTIVE and answer.problems):
            made = answer.prompt
            named = (str(made["version"]), str(made["hash"])) if made else self._prompt(question)
            body = json.dumps({"trace_id": trace.trace_id}).encode()
            self._platform.lake.objects.write(self._path(question, named), body)
        self._artifacts.write_json(_of_run(question), trace.trace_id)

    @property
    def _has_model(self) -> bool:
        return self._platform.settings.chat_model != "none"

    def _prompt(self, question: str) -> Iterable[str]:
        return prompt_of(self._platform, question, self._asking.prompt) if self._has_model else ()

    def _path(self, question: str, prompt: Iterable[str]) -> str:
        return f"{FOLDER}/{digest('answer', question, *self._state, *prompt)}.json"


def _of_run(question: str) -> str:
    """Where a run remembers that it has an answer."""
    return f"answered/{digest('answer', question)}"
