"""A batch that is over: its vectors into the cache, its cost into the ledger."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from include.batch_api.answers import OVER as TERMINAL
from include.batch_api.answers import Answer, Charge, charge, read_answer
from include.batch_api.provider import Provider, lines
from include.batch_api.records import OVER, BatchRecords, Record
from include.batch_api.requests import Request
from include.embedding.cache import EmbeddingCache
from include.observability.log import report, warn
from include.spending import deferred
from include.spending.account import Account
from include.spending.entries import UNKNOWN, Entry
from include.spending.prices import Tokens

if TYPE_CHECKING:
    from openai.types import Batch

TEXTS_PER_COMMIT = 4_096
"""Vectors held in memory at once: 25 MB at 1,536 dimensions."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Collector:
    """Ends batches. What was answered is kept, whatever became of the rest."""

    records: BatchRecords
    provider: Provider
    cache: EmbeddingCache
    account: Account
    clock: Callable[[], datetime] = _now

    def collect(self, record: Record) -> Record:
        """The record as it is now: over, when the batch is. May be repeated, also at once elsewhere."""
        batch = self.provider.retrieve(record.provider_id)
        if batch is None:
            warn(f"The provider does not know the batch {record.provider_id} any more.")
            return self._over(record, "gone", Charge(UNKNOWN, _all(record)), {})
        if batch.status not in TERMINAL:
            return record
        requests = {each.custom_id: each for each in record.requests}
        seen = self._taken(requests, batch)
        current = self.records.read(record.key) or record
        if current.state == OVER:  # another process was here, and its files are gone
            return current
        completed = batch.request_counts.completed if batch.request_counts else 0
        paid = charge(requests, seen, completed, batch.usage)
        _tell(record, batch)
        done = self._over(record, batch.status, paid, seen)
        self.provider.forget(record.file_id, batch.output_file_id, batch.error_file_id)
        return done

    def _taken(self, requests: dict[str, Request], batch: Batch) -> dict[str, Answer]:
        """What the files say of each request; the vectors are in the cache."""
        seen: dict[str, Answer] = {}
        held: list[tuple[Request, Answer]] = []
        for raw in self._lines(batch):
            answer = read_answer(raw, requests, self.cache.identity.full)
            if answer is None or answer.custom_id in seen:
                continue
            seen[answer.custom_id] = replace(answer, vectors=None)
            if answer.vectors is not None:
                held.append((requests[answer.custom_id], answer))
            if sum(len(request.hashes) for request, _ in held) >= TEXTS_PER_COMMIT:
                self._keep(held)
                held = []
        self._keep(held)
        return seen

    def _lines(self, batch: Batch) -> Iterator[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "answers.jsonl"
            for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
                if self.provider.download(file_id, file):
                    yield from lines(file)

    def _keep(self, held: list[tuple[Request, Answer]]) -> None:
        if held:
            names = [name for request, _ in held for name in request.hashes]
            vectors = np.concatenate([answer.vectors for _, answer in held])
            row = dict(zip(names, range(len(names)), strict=True))
            # Whoever collected before may have died before saying so.
            absent = self.cache.missing(names)
            self.cache.put(absent, vectors[[row[name] for name in absent]])

    def _over(self, record: Record, status: str, paid: Charge, seen: dict[str, Answer]) -> Record:
        """Settles what was set aside, then says that it is over: in this order, each repeatable."""
        assert record.entry is not None
        entry = Entry.from_json(record.entry)
        settled = deferred.settle(self.account, entry, paid.status, paid.tokens, _error(status))
        sizes = {each.custom_id: len(each.hashes) for each in record.requests}
        failures = Counter(each.failure for each in seen.values() if each.failure)
        failures["unanswered"] = len(sizes.keys() - seen.keys())
        done = self.records.change(
            record,
            state=OVER,
            since=self.clock(),
            requests=(),
            entry=None,
            status=status,
            embedded=sum(sizes[e.custom_id] for e in seen.values() if not e.failure),
            failures={name: count for name, count in failures.items() if count},
            cost_usd=f"{settled.cost_usd:f}",
        )
        report("batch", key=done.key, over=status, embedded=done.embedded, cost_usd=done.cost_usd)
        return done


def _all(record: Record) -> Tokens:
    return Tokens(record.tokens, counted=True)


def _error(status: str) -> str:
    return "" if status == "completed" else f"batch {status}"


def _tell(record: Record, batch: Batch) -> None:
    """Says why a batch failed as a whole, by the provider's codes."""
    if batch.status != "completed":
        found = batch.errors.data if batch.errors and batch.errors.data else []
        codes = ", ".join(sorted({str(each.code)[:60] for each in found})) or "no reason given"
        warn(
            f"The batch {record.provider_id} is {batch.status}: {codes}. What it embedded is kept."
        )
