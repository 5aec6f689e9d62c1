"""The one way to a paid model: rate limit, budget, ledger, call, ledger, budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Generic, TypeVar

from include.errors import ModelError, PlatformError
from include.observability.log import warn
from include.spending.budget import Budget
from include.spending.caller import Caller
from include.spending.entries import (
    CACHED,
    DONE,
    EMBED,
    REFUSED,
    RESERVED,
    UNKNOWN,
    UNUSABLE,
    Entry,
    Purpose,
    new_call_id,
)
from include.spending.ledger import Ledger
from include.spending.limiter import Limiter
from include.spending.prices import Prices, Tokens

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """What a model answered. Without `tokens` the provider told none, and ours are taken.

    An `unusable` answer was paid for all the same.
    """

    value: T
    tokens: Tokens | None
    model: str = ""
    unusable: ModelError | None = None


class CallError(Exception):
    """A call that gave no answer: `error` says it to a person, `kind` to the ledger.

    `sent` is whether the provider may have charged it; `retry_after` what it asked to wait;
    `status` what it answered with, 0 when no answer came.
    """

    def __init__(
        self,
        error: PlatformError,
        kind: str,
        *,
        sent: bool,
        retry_after: float | None = None,
        status: int = 0,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.kind = kind
        self.sent = sent
        self.retry_after = retry_after
        self.status = status


@dataclass(frozen=True, slots=True)
class Paid(Generic[T]):
    """An answer and the ledger's entry of it."""

    value: T
    entry: Entry


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Account:
    """Pays for calls on behalf of whom `caller` names at the time."""

    ledger: Ledger
    prices: Prices
    budget: Budget
    limiter: Limiter
    caller: Callable[[], Caller]
    clock: Callable[[], datetime] = _now

    def pay(
        self,
        purpose: Purpose,
        most: Tokens,
        send: Callable[[str], Answered[T]],
        *,
        retry: int = 0,
    ) -> Paid[T]:
        """Makes one call of at most so many tokens; `send` gets the call's id.

        The call is in the ledger before it is made, and what became of it before this returns or
        raises. Raises BudgetError with nothing sent, CallError as `send` does, and ModelError for
        an answer that is unusable.
        """
        self.limiter.wait(f"{purpose.endpoint} {purpose.model}", most.input + most.output)
        entry = self._reserved(purpose, most, retry)
        began = time.monotonic()
        try:
            answered = send(entry.id)
        except CallError as failure:
            self._failed(entry, failure.kind, sent=failure.sent, began=began)
            raise
        except BaseException as failure:
            self._failed(entry, type(failure).__name__, sent=True, began=began)
            raise
        settled = self._settle(
            entry,
            UNUSABLE if answered.unusable else DONE,
            tokens=answered.tokens or replace(most, counted=True),
            seconds=round(time.monotonic() - began, 4),
            error=type(answered.unusable).__name__ if answered.unusable else "",
            answered_by=answered.model,
        )
        if answered.unusable:
            raise answered.unusable
        return Paid(answered.value, settled)

    def record_hit(self, purpose: Purpose, tokens: Tokens) -> None:
        """Writes down that a cache answered, at no cost."""
        at = self.clock()
        entry = Entry(new_call_id(at), at, purpose, self.caller(), CACHED, tokens, Decimal(0))
        self.ledger.write(entry)

    def estimate(self, provider: str, model: str, tokens: int) -> Decimal:
        """What so many input tokens would cost now."""
        return self.prices.cost(provider, model, Tokens(tokens), self.clock())

    def cost_of(self, run: str, since: datetime) -> Decimal:
        """What a run that began then has cost."""
        return self.ledger.spent(since.astimezone(UTC).date(), run=run)

    def spent_today(self) -> Decimal:
        """What all calls of this day (UTC) cost, those in flight included."""
        return self.ledger.spent(self.clock().astimezone(UTC).date())

    def _reserved(self, purpose: Purpose, most: Tokens, retry: int) -> Entry:
        at = self.clock()
        entry = Entry(
            id=new_call_id(at),
            at=at,
            purpose=purpose,
            caller=self.caller(),
            status=RESERVED,
            tokens=replace(most, counted=True),
            cost_usd=self.prices.cost(purpose.provider, purpose.model, most, at),
            retry=retry,
            budgeted=self.budget.counts_days,
            run_budgeted=self.budget.counts_runs,
        )
        self._set_aside(entry)
        self.ledger.write(entry)
        return entry

    def _set_aside(self, entry: Entry) -> None:
        """An embedding costs what is set aside for it: that can be counted at once, in one write."""
        if entry.purpose.operation == EMBED:
            self.budget.begin(entry)
        else:
            self.budget.reserve(entry)

    def _failed(self, entry: Entry, kind: str, *, sent: bool, began: float) -> None:
        self._settle(
            entry,
            UNKNOWN if sent else REFUSED,
            tokens=entry.tokens if sent else Tokens(),
            seconds=round(time.monotonic() - began, 4),
            error=kind,
        )

    def _settle(self, entry: Entry, status: str, *, tokens: Tokens, **rest: object) -> Entry:
        purpose = entry.purpose
        cost = self.prices.cost(purpose.provider, purpose.model, tokens, entry.at)
        settled = entry.settled(status, tokens=tokens, cost_usd=cost, **rest)
        self.ledger.write(settled)
        try:
            self._give_back(settled, entry.cost_usd)
        except PlatformError as error:  # the answer is paid for: whoever asked gets it all the same
            warn(f"A budget counts the most that call {entry.id} could have cost. {error}")
        return settled

    def _give_back(self, settled: Entry, set_aside: Decimal) -> None:
        if settled.purpose.operation == EMBED:
            self.budget.end(settled, set_aside)
        else:
            self.budget.settle(settled)
