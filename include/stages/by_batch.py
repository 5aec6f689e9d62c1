"""Stage 5, the cheap way: a run's texts through the provider's batches into the embedding cache.

Afterwards the direct way finds them there and embeds only what the batches left. A run remembers
which batches it waits for; whoever calls again with its artifacts goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import polars as pl

from include.batch_api.requests import Group, Texts
from include.batch_api.work import BatchWork, InFlight
from include.errors import PermanentError, TransientError
from include.observability.log import stage, warn
from include.settings import Budgets
from include.spending.approval import require_rest
from include.stages.batch import Batch
from include.storage.artifacts import Artifacts
from include.storage.lease import Lease

_KEYS = "batch-api"
_MOST_FAILURES = 60  # in a row: an hour at least


class Cost(Protocol):
    """What embedding so many tokens costs."""

    def __call__(self, tokens: int, *, by_batch: bool = False) -> Decimal:
        """By single calls, or in batches."""
        ...


@dataclass(frozen=True, slots=True)
class BatchesDone:
    """How many batches the run waited for, what they cost, and the texts they left."""

    batches: int
    cost_usd: str
    left: int


@dataclass(frozen=True, slots=True)
class ByBatch:
    """Embeds through batches. `lease` keeps two runs from putting one text into two batches."""

    work: BatchWork
    lease: Callable[[str], Lease]
    cost: Cost
    budgets: Budgets

    def require(self) -> None:
        """Raises ConfigurationError when the endpoint has no batches."""
        self.work.provider.require()

    def begin(self, artifacts: Artifacts) -> None:
        """Lets the run plan its batches, also one that was begun before."""
        artifacts.write_json(_KEYS, None)

    def embed(
        self,
        batches: Sequence[Batch],
        artifacts: Artifacts,
        sleep: Callable[[float], None] = time.sleep,
    ) -> BatchesDone:
        """Waits in this process until all batches are over; may be killed and called again.

        A provider that cannot be reached is waited for as well, but not for ever.
        """
        failed = 0
        while True:
            try:
                if self.step(batches, artifacts).nothing:
                    return self.finish(batches, artifacts)
                failed = 0
            except TransientError as error:
                failed += 1
                if failed > _MOST_FAILURES:
                    raise
                warn(f"{error} The batches are asked for again.")
            sleep(self.work.limits.poll_seconds)

    def step(self, batches: Sequence[Batch], artifacts: Artifacts) -> InFlight:
        """Submits, collects and settles what can be now; what the run still waits for.

        An error that a retry does not change gives up what was only planned: nobody waits for it.
        """
        keys = artifacts.find_json(_KEYS)
        if keys is None:
            self.work.look_at_all()
            keys = self._plan(batches, artifacts) if batches else []
            artifacts.write_json(_KEYS, keys)
        try:
            return self.work.advance(keys)
        except PermanentError:
            self.work.release(keys, artifacts.list(_KEYS))
            self.begin(artifacts)
            raise

    def finish(self, batches: Sequence[Batch], artifacts: Artifacts) -> BatchesDone:
        """What the batches did. Raises ApprovalError when the rest is for a person to decide."""
        keys: list[str] = artifacts.find_json(_KEYS) or []
        with stage("by_batch", run=artifacts.run_id, batches=len(keys)) as event:
            spent = self.work.spent(keys)
            left = tokens = 0
            for texts in self._absent(batches, artifacts):
                left, tokens = left + texts.height, tokens + int(texts["tokens"].sum())
            event |= {"cost_usd": f"{spent:f}", "left": left}
            planned = self.cost(sum(each.tokens for each in batches), by_batch=True)
            require_rest(spent, self.cost(tokens), approved_usd=planned, budgets=self.budgets)
            return BatchesDone(len(keys), f"{spent:f}", left)

    def _plan(self, batches: Sequence[Batch], artifacts: Artifacts) -> list[str]:
        with self.lease(artifacts.run_id).held():
            return self.work.plan(
                self._missing(batches, artifacts),
                lambda key, group: artifacts.write(f"{_KEYS}/{key}", _frame(group)),
            )

    def _missing(self, batches: Sequence[Batch], artifacts: Artifacts) -> Iterator[Texts]:
        for texts in self._absent(batches, artifacts):
            yield list(texts.select("text_hash", "text").iter_rows())

    def _absent(self, batches: Sequence[Batch], artifacts: Artifacts) -> Iterator[pl.DataFrame]:
        """The texts of each batch that the cache lacks."""
        for batch in batches:
            texts = artifacts.read(batch.uri)
            absent = self.work.collector.cache.missing(texts["text_hash"].to_list())
            yield texts.filter(pl.col("text_hash").is_in(absent))


def _frame(group: Group) -> pl.DataFrame:
    held = {"text_hash": list(group.texts), "text": list(group.texts.values())}
    return pl.DataFrame(held, schema={"text_hash": pl.String, "text": pl.String})
