"""A run's texts, the batches that embed them, and what the tests hold against each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from include.batch_api.records import BatchRecords
from include.batch_api.work import InFlight
from include.documents import text_hash
from include.spending.budget import Budget
from include.spending.entries import Entry
from include.spending.ledger import Ledger, today_utc
from include.stages.batch import Batch
from include.stages.by_batch import BatchesDone
from include.storage.objects import ObjectStore, Stored
from include.wiring import Platform
from tests.standin.running import PRICES, Running

POLL = {"batch_poll_seconds": 0.05, "timeout": 10}
PRICE = Decimal(PRICES["stand-in-embed"]["input_per_million_usd"]) / 1_000_000


def texts(count: int, first: int = 0) -> list[str]:
    """So many texts of five words."""
    return [f"text number {number} of many" for number in range(first, first + count)]


class Run:
    """One run of a platform: its artifacts, and its texts in parts as the direct way has them.

    `later` is by how much its clock is ahead: what others left in flight is old for it.
    """

    def __init__(
        self,
        platform: Platform,
        name: str,
        wanted: Sequence[str],
        *,
        part: int = 1_000,
        later: timedelta = timedelta(0),
    ) -> None:
        self.platform = platform
        self.artifacts = platform.artifacts(name)
        self.wanted = list(wanted)
        parts = [self.wanted[at : at + part] for at in range(0, len(wanted), part)]
        self.batches = [self._part(number, each) for number, each in enumerate(parts)]
        work = platform.by_batch.work
        submitter = replace(work.submitter, clock=lambda: datetime.now(UTC) + later)
        self.by_batch = replace(platform.by_batch, work=replace(work, submitter=submitter))

    def _part(self, number: int, some: list[str]) -> Batch:
        frame = pl.DataFrame(
            {
                "text_hash": [text_hash(each) for each in some],
                "text": some,
                "tokens": [len(each.split()) for each in some],
            }
        )
        uri = self.artifacts.write(f"batch-{number:05d}", frame)
        return Batch(uri, f"{number}", len(some), int(frame["tokens"].sum()))

    def step(self) -> InFlight:
        return self.by_batch.step(self.batches, self.artifacts)

    def embed(self) -> BatchesDone:
        return self.by_batch.embed(self.batches, self.artifacts)

    def cached(self) -> int:
        """How many of its texts are in the cache."""
        hashes = [text_hash(each) for each in self.wanted]
        return len(hashes) - len(self.platform.cache.missing(hashes))


class Killed(BaseException):
    """The process is gone: nothing that handles errors gets hold of it."""


class Dying:
    """A lake's objects in a process that dies before, or after, its `number`-th write."""

    def __init__(self, objects: ObjectStore, number: int, moment: str) -> None:
        self._objects, self._left, self._moment = objects, number, moment

    def read(self, path: str) -> Stored | None:
        return self._objects.read(path)

    def list(self, prefix: str = "") -> Iterator[str]:
        return self._objects.list(prefix)

    def delete(self, path: str) -> None:
        self._objects.delete(path)

    def write(self, path: str, data: bytes) -> str:
        self._die("before", path)
        etag = self._objects.write(path, data)
        self._die("after", path)
        return etag

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        self._die("before", path)
        written = self._objects.write_if(path, data, etag)
        self._die("after", path)
        return written

    def _die(self, moment: str, path: str) -> None:
        if moment != self._moment:
            return
        self._left -= 1
        if self._left == 0:
            raise Killed(path)


def doomed(run: Run, number: int, moment: str) -> Run:
    """The run in a process that dies at its `number`-th write to records, ledger or budgets."""
    platform, work = run.platform, run.by_batch.work
    objects = Dying(platform.lake.objects, number, moment)
    ledger = Ledger(objects)
    budget = Budget(objects, ledger, platform.settings.budgets)
    account = replace(work.submitter.account, ledger=ledger, budget=budget)
    records = BatchRecords(objects, platform.embedder.identity.id)
    collector = replace(work.collector, records=records, account=account)
    submitter = replace(work.submitter, records=records, account=account)
    dying = replace(work, records=records, submitter=submitter, collector=collector)
    run.by_batch = replace(run.by_batch, work=dying)
    return run


def entries(platform: Platform) -> list[Entry]:
    return list(platform.spending.ledger.entries(today_utc()))


def left_of(platform: Platform, scope: str) -> dict[str, Any]:
    """What the budgets of the day, or of runs, have spent and set aside in all."""
    objects = platform.lake.objects
    paths = [path for path in objects.list("budgets/") if scope in path]
    held = [json.loads(stored.data) for path in paths if (stored := objects.read(path))]
    reserved = {name: cost for each in held for name, cost in each["reserved"].items()}
    return {"spent": sum(Decimal(each["spent"]) for each in held), "reserved": reserved}


def paid_texts(api: Running) -> list[str]:
    """Every text that the provider charged, as often as it did."""
    return [text for row in api.rows(charged=True) for text in row.get("texts") or ()]


def submitted(api: Running) -> set[str]:
    """The batches that cost something."""
    return {row["batch"] for row in api.rows(charged=True) if row.get("batch")}


def require_paid_once(api: Running, platform: Platform) -> None:
    """Ledger and meter agree to the last digit, and no text was charged twice."""
    paid = paid_texts(api)
    assert len(paid) == len(set(paid))
    tokens = sum(row["input_tokens"] for row in api.rows(charged=True))
    found = entries(platform)
    assert sum(each.cost_usd for each in found) == tokens * PRICE / 2
    assert sum(each.tokens.input for each in found if each.cost_usd) == tokens
    assert not [each for each in found if each.status == "reserved"]
