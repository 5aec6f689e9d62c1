"""Batches carried through: planned, submitted once, waited for, taken into the cache, settled.

`advance` looks at what the lake says of each batch and does the next step. It may be called again at
any time, by any process: after a kill, a cleared task, or beside another run that waits as well.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from include.batch_api.collecting import Collector
from include.batch_api.provider import Provider
from include.batch_api.records import OVER, PLANNED, SENDING, SENT, BatchRecords, Record
from include.batch_api.requests import Group, Limits, Texts, groups, line_of
from include.documents import digest
from include.embedding.openai import OpenAIEmbedder
from include.errors import BudgetError, CommitConflictError, TransientError
from include.observability.log import report, warn
from include.spending import deferred
from include.spending.account import Account, CallError
from include.spending.entries import REFUSED, Entry, Purpose
from include.spending.prices import Tokens

GRACE_SECONDS = 300.0


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class InFlight:
    """What a run still waits for: batches at the provider, and how many others are on the way."""

    provider_ids: tuple[str, ...]
    others: int

    @property
    def nothing(self) -> bool:
        """Whether all of its batches are over."""
        return not (self.provider_ids or self.others)


@dataclass(frozen=True, slots=True)
class BatchWork:
    """The batches of one embedder.

    `texts` reads an artifact of hashes and texts, None when it is gone. After `grace_seconds` a batch
    that its creator did not record, and that the provider does not list, was not created.
    """

    records: BatchRecords
    provider: Provider
    embedder: OpenAIEmbedder
    collector: Collector
    account: Account
    limits: Limits
    texts: Callable[[str], dict[str, str] | None]
    clock: Callable[[], datetime] = _now
    grace_seconds: float = GRACE_SECONDS

    def plan(self, parts: Iterable[Texts], keep: Callable[[str, Group], str]) -> list[str]:
        """The batches that hold these texts: those of other runs, and new ones for the rest.

        `keep` stores the texts of a new batch under its name and gives their URI. To be called while
        no other run plans.
        """
        self.provider.require()
        others = {name: each.key for each in self.records.unfinished() for name in each.hashes}
        joined: dict[str, None] = {}

        def free() -> Iterator[Texts]:
            for part in parts:
                joined.update({others[name]: None for name, _ in part if name in others})
                yield [pair for pair in part if pair[0] not in others]

        new = [self._planned(group, keep) for group in groups(free(), self.embedder, self.limits)]
        return [*joined, *new]

    def advance(self, keys: Sequence[str]) -> InFlight:
        """Does what can be done now for each of the batches; what is still in flight.

        Raises BudgetError for what a budget does not allow, when nothing else is in flight.
        """
        looked = [self._looked_at(record) for record in map(self.records.read, keys) if record]
        for record in looked:
            if record.state == PLANNED and self._has_room(record):
                try:
                    self._submit(record)
                except BudgetError:
                    if self._in_flight(keys).provider_ids:
                        break
                    raise
        return self._in_flight(keys)

    def spent(self, keys: Sequence[str]) -> Decimal:
        """What those that are over have cost."""
        found = map(self.records.read, keys)
        return sum((Decimal(each.cost_usd) for each in found if each), Decimal(0))

    def _planned(self, group: Group, keep: Callable[[str, Group], str]) -> str:
        name = digest("batch", self.embedder.identity.id, *(r.custom_id for r in group.requests))
        generation = 1
        while (known := self.records.read(f"{name}-{generation}")) and known.state == OVER:
            generation += 1
        key = f"{name}-{generation}"
        if known is None:
            uri = keep(key, group)
            self.records.put(Record(key, PLANNED, self.clock(), uri, group.requests))
        return key

    def _in_flight(self, keys: Sequence[str]) -> InFlight:
        found = [record for record in map(self.records.read, keys) if record]
        ids = tuple(each.provider_id for each in found if each.state == SENT)
        return InFlight(ids, sum(each.state in (PLANNED, SENDING) for each in found))

    def _looked_at(self, record: Record) -> Record:
        if record.state == SENDING:
            record = self._recovered(record)
        return self.collector.collect(record) if record.state == SENT else record

    def _recovered(self, record: Record) -> Record:
        """What became of a batch whose creator has not told."""
        found = self.provider.find(record.key, record.attempt, record.since)
        if found:
            return self._put(record, state=SENT, provider_id=found, since=self.clock())
        if self.clock() - record.since < timedelta(seconds=self.grace_seconds):
            return record
        warn(f"The batch {record.key} was not created at the provider: it is submitted again.")
        return self._put(record, state=PLANNED, since=self.clock())

    def _has_room(self, record: Record) -> bool:
        most = self.limits.queue_tokens
        if not most:
            return True
        waiting = [each for each in self.records.unfinished() if each.state in (SENDING, SENT)]
        return not waiting or sum(each.tokens for each in waiting) + record.tokens <= most

    def _submit(self, record: Record) -> None:
        texts = self.texts(record.texts)
        if texts is None:
            warn(f"The texts of batch {record.key} were removed: it is given up.")
            self._put(record, state=OVER, status="abandoned", requests=())
            return
        if record.entry is not None:  # of an attempt that came to nothing
            deferred.settle(self.account, _entry(record), REFUSED, Tokens(), "not created")
        file_id = self._uploaded(record, texts)
        try:
            sending = self.records.put(
                record,
                state=SENDING,
                since=self.clock(),
                attempt=record.attempt + 1,
                file_id=file_id,
                entry=self._new_entry(record).as_json(),
            )
        except CommitConflictError:  # somebody else submits it
            self.provider.forget(file_id)
            return
        self._create(sending)

    def _uploaded(self, record: Record, texts: dict[str, str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "requests.jsonl"
            with file.open("wb") as opened:
                for request in record.requests:
                    opened.write(line_of(request, texts, self.embedder))
            return self.provider.upload(file, record.key)

    def _create(self, sending: Record) -> None:
        try:
            deferred.reserve(self.account, _entry(sending))
        except BudgetError:
            self._put(sending, state=PLANNED, entry=None)
            self.provider.forget(sending.file_id)
            raise
        if self.clock() - sending.since > timedelta(seconds=self.grace_seconds / 2):
            raise TransientError(
                f"Submitting the batch {sending.key} took too long to be safe: it is looked for at "
                f"the provider before it is tried again."
            )
        try:
            made = self.provider.create(sending.file_id, sending.key, sending.attempt)
        except CallError as failure:
            self._not_created(sending, failure)
            return
        report("batch", key=sending.key, submitted=made, tokens=sending.tokens)
        sent = self._put(sending, state=SENT, provider_id=made, since=self.clock())
        if sent.provider_id != made:
            # Whoever took it over did not find this one: it must not be there twice.
            self.provider.cancel(made)

    def _not_created(self, sending: Record, failure: CallError) -> None:
        """Goes back when it was surely not created; else the provider is asked later."""
        refused = 400 <= failure.status < 500 and failure.status not in (408, 409)
        if not refused and (failure.sent or failure.status):
            warn(f"{failure.error} The batch {sending.key} is looked for at the provider.")
            return
        planned = self._put(sending, state=PLANNED, since=self.clock())
        if planned.state == PLANNED:
            deferred.settle(self.account, _entry(sending), REFUSED, Tokens(), failure.kind)
        self.provider.forget(sending.file_id)
        raise failure.error from None

    def _new_entry(self, record: Record) -> Entry:
        endpoint = self.provider.remote.endpoint
        purpose = Purpose(
            operation="embed",
            provider=endpoint.provider,
            model=self.embedder.identity.model,
            endpoint=endpoint.name,
            content=record.key,
        )
        return deferred.entry(self.account, purpose, record.tokens, len(record.requests))

    def _put(self, record: Record, **changes: object) -> Record:
        """The changed record, or what another process has made of it."""
        try:
            return self.records.put(record, **changes)
        except CommitConflictError:
            return self.records.read(record.key) or record


def _entry(record: Record) -> Entry:
    assert record.entry is not None
    return Entry.from_json(record.entry)
