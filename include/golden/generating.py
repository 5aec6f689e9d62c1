"""Questions that a chat model writes about passages: asked once, checked, kept as they come.

A passage that was asked about is a row of the table `golden_passages`, whatever came of it: the same
text is not paid for again under the same prompt and models, in this run or another.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from include.errors import BudgetError, ModelError, TransientError
from include.evaluation.synthetic import SYNTHETIC
from include.golden.checks import Passage, flaw
from include.golden.drawing import ARTIFACT, OUTPUT_TOKENS, PROMPT, request
from include.golden.kept import Candidate, add
from include.golden.reply import Asked, read
from include.llm.protocol import ChatModel
from include.observability.log import stage
from include.prompts.library import Prompt
from include.storage.artifacts import Artifacts
from include.wiring import Platform

Json = dict[str, Any]
_SEARCHED = 100
_COUNTS = ("kept", "set_aside", "known", "open")


@dataclass(slots=True)
class Generated:
    """What came of it. `kept` questions wait for a person, `dropped` counts the others by reason.

    `set_aside` are passages without a usable reply, `known` those that were asked about before,
    `open` those that a budget left.
    """

    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    set_aside: int = 0
    known: int = 0
    open: int = 0
    cost_usd: Decimal = Decimal(0)
    stopped: str = ""

    def as_json(self) -> Json:
        """The counts by name; money as a decimal string."""
        return {
            **{name: getattr(self, name) for name in _COUNTS},
            "dropped": dict(sorted(self.dropped.items())),
            "cost_usd": f"{self.cost_usd:f}",
            "stopped": self.stopped,
        }


def generate(
    platform: Platform,
    chat: ChatModel,
    artifacts: Artifacts,
    on_progress: Callable[[int], None] = lambda _: None,
    done: Generated | None = None,
) -> Generated:
    """Asks about the passages that were drawn; each one's questions are kept as they come.

    A budget that is used up ends it. Raises TransientError when no model is to be had: the next try
    goes on with what is missing. `done` counts what was done also then.
    """
    rows = artifacts.read(artifacts.list(ARTIFACT))
    asking, done = _Asking(platform, chat, platform.prompts.get(PROMPT)), done or Generated()
    with stage(PROMPT, passages=rows.height) as event:
        for number, row in enumerate(rows.iter_rows(named=True)):
            if asking.was_asked(row):
                done.known += 1
                continue
            try:
                said = asking.ask(row)
            except (BudgetError, TransientError) as error:
                done.open, done.stopped = rows.height - number, str(error)
                if isinstance(error, TransientError):
                    raise
                break
            kept, dropped = asking.check(row, said)
            asking.keep(row, said, kept, dropped)
            done.kept += len(kept)
            done.dropped += dropped
            done.set_aside += bool(said.reason)
            done.cost_usd += said.cost_usd
            on_progress(1)
        event |= {name: getattr(done, name) for name in _COUNTS}
    return done


@dataclass(frozen=True, slots=True)
class _Said:
    questions: Sequence[Asked]
    model: str
    cost_usd: Decimal
    reason: str = ""


class _Asking:
    """One run's questions: who is asked, with which prompt, and what is known by now."""

    def __init__(self, platform: Platform, chat: ChatModel, prompt: Prompt) -> None:
        self._tables, self._store = platform.tables, platform.store
        self._chat, self._prompt, self._index = chat, prompt, platform.live_index()
        self._known = set(self._tables.golden.read(["question"])["question"])

    def was_asked(self, row: Json) -> bool:
        """Whether this run, or another since it drew, has asked about the passage."""
        held = self._tables.golden_passages.lookup([row["name"]], ["at"])["at"].to_list()
        return bool(held) and held[0].isoformat() != row["before"]

    def ask(self, row: Json) -> _Said:
        """The reply; one that cannot be used is asked for once more, with room for more words."""
        cost, model, reason = Decimal(0), self._chat.name, ""
        for tokens in (OUTPUT_TOKENS, 2 * OUTPUT_TOKENS):
            try:
                completion = self._chat.complete(request(self._prompt, row, tokens))
            except ModelError:
                reason = "refused: the model gave no answer"
                continue
            cost, model = cost + completion.cost_usd, completion.model
            if completion.finish_reason == "length":
                reason = "cut: the reply was cut off"
                continue
            try:
                return _Said(read(completion.text), model, cost)
            except ValueError as error:
                reason = str(error)
        return _Said((), model, cost, reason)

    def check(self, row: Json, said: _Said) -> tuple[list[Candidate], Counter[str]]:
        """The questions that pass, and how many do not, by reason."""
        passage = Passage(row["text"], row["title"], row["heading"])
        relevant, kept = json.loads(row["relevant"]), []
        dropped: Counter[str] = Counter()
        for each in said.questions:
            reason = flaw(each.question, each.answer, passage, self._known)
            if not reason and not self._is_findable(each, relevant):
                reason = "unfindable"
            if reason:
                dropped[reason] += 1
                continue
            self._known.add(each.question)
            tags = (SYNTHETIC, f"{PROMPT}@{self._prompt.version.version}", said.model)
            kept.append(
                Candidate(
                    each.question, each.answer, row["text"], row["document_id"], relevant, tags
                )
            )
        return kept, dropped

    def keep(
        self, row: Json, said: _Said, kept: Sequence[Candidate], dropped: Counter[str]
    ) -> None:
        """The questions first: after a kill the passage is asked about again, and none is lost."""
        now = datetime.now(UTC)
        add(self._tables, kept, now)
        asked = {
            "name": row["name"],
            "document_id": row["document_id"],
            "kept": len(kept),
            "dropped": json.dumps(dict(dropped)),
            "reason": said.reason,
            "model": said.model,
            "prompt_version": self._prompt.version.version,
            "prompt_hash": self._prompt.version.text.hash,
            "cost_usd": f"{said.cost_usd:f}",
            "at": now,
        }
        frame = pl.DataFrame([asked]).with_columns(pl.col("at").dt.cast_time_unit("us"))
        self._tables.golden_passages.upsert(frame)

    def _is_findable(self, asked: Asked, relevant: Json) -> bool:
        """Whether words of question and answer together lead to the passage's document at all.

        By text alone: no vector is asked, so that no model is favoured.
        """
        words = f"{asked.question} {asked.answer}"
        hits = self._store.search_text(self._index, words, _SEARCHED)
        return any(hit.uri in relevant for hit in hits)
