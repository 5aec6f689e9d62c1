"""Batches carried through: planned, submitted once, waited for, taken into the cache, settled.

`advance` looks at what the lake says of each batch and does the next step. It may be called again at
any time, by any process: after a kill, a cleared task, or beside another run that waits as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from include.batch_api.collecting import Collector
from include.batch_api.provider import Provider
from include.batch_api.records import OVER, PLANNED, SENDING, SENT, BatchRecords, Record
from include.batch_api.requests import Group, Limits, Texts, groups
from include.batch_api.submitting import Submitter
from include.documents import digest
from include.embedding.openai import OpenAIEmbedder
from include.errors import BudgetError, ConfigurationError
from include.remote.endpoint import CONNECTION

LONGEST_PLAN = timedelta(hours=48)
"""Longer than a run waits for room in the provider's queue."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """What a run still waits for.

    `provider_ids` are batches whose end is to be waited for, `planned` how many wait for room in the
    provider's queue, `unknown` how many may have been created, which time will tell.
    """

    provider_ids: tuple[str, ...] = ()
    planned: int = 0
    unknown: int = 0

    @property
    def nothing(self) -> bool:
        """Whether all of its batches are over."""
        return not (self.provider_ids or self.planned or self.unknown)


@dataclass(frozen=True, slots=True)
class BatchWork:
    """The batches of one embedder, those of all runs."""

    records: BatchRecords
    provider: Provider
    embedder: OpenAIEmbedder
    submitter: Submitter
    collector: Collector
    limits: Limits

    def look_at_all(self) -> None:
        """Ends what is over at the provider, also batches that nobody waits for any more."""
        for record in self.records.unfinished():
            self._look_at(record.key)

    def plan(self, parts: Iterable[Texts], keep: Callable[[str, Group], str]) -> list[str]:
        """The batches that hold these texts: those of other runs, and new ones for the rest.

        `keep` stores the texts of a new batch under its name and gives their URI. To be called while
        no other run plans.
        """
        self.provider.require()
        self._supersede_old()
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
        for key in keys:
            self._look_at(key)
        try:
            self._submit(keys)
        except BudgetError:
            if not self._in_flight(keys).provider_ids:
                raise
        return self._in_flight(keys)

    def release(self, keys: Sequence[str], texts: Collection[str]) -> None:
        """Gives up those that are only planned and whose texts lie in these artifacts."""
        for record in filter(None, map(self.records.read, keys)):
            if record.state == PLANNED and record.texts in texts:
                self.submitter.give_up(record, "released")

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
            self.records.put(Record(key, PLANNED, self.submitter.clock(), uri, group.requests))
        return key

    def _in_flight(self, keys: Sequence[str]) -> InFlight:
        found = [(e.state, e.provider_id) for e in map(self.records.read, keys) if e]
        states = [state for state, _ in found]
        ids = [name for state, name in found if state == SENT]
        if PLANNED in states:  # room comes when any batch ends, whosever it is
            ids += [each.provider_id for each in self.records.unfinished() if each.state == SENT]
        return InFlight(tuple(dict.fromkeys(ids)), states.count(PLANNED), states.count(SENDING))

    def _look_at(self, key: str) -> None:
        record = self.records.read(key)
        if record is not None and record.state in (SENDING, SENT):
            self._require_there(record)
            if record.state == SENDING:
                record = self.submitter.recover(record)
            if record.state == SENT:
                self.collector.collect(record)

    def _submit(self, keys: Sequence[str]) -> None:
        """Those that are planned, as long as the provider's queue takes them."""
        most, waiting = self.limits.queue_tokens, 0
        if most:
            found = self.records.unfinished()
            waiting = sum(each.tokens for each in found if each.state in (SENDING, SENT))
        for key in keys:
            record = self.records.read(key)
            if record is None or record.state != PLANNED:
                continue
            if most and waiting and waiting + record.tokens > most:
                return
            self.submitter.submit(record)
            waiting += record.tokens

    def _require_there(self, record: Record) -> None:
        """Another endpoint does not know the batch, which would seem to be lost."""
        here = self.provider.remote.endpoint.name
        there = (record.entry or {}).get("endpoint", here)
        if there != here:
            raise ConfigurationError(
                f"The batch {record.provider_id or record.key} is at {there}, but the "
                f"connection {CONNECTION} names {here}. Set it back until the batch is over, or "
                f"give it up: delete {self.records.path(record.key)} in the lake."
            )

    def _supersede_old(self) -> None:
        """A plan that nobody carried out for so long is of a run that died."""
        for record in list(self.records.unfinished()):
            if record.state == PLANNED and self.submitter.clock() - record.since > LONGEST_PLAN:
                self.submitter.give_up(record, "superseded")
