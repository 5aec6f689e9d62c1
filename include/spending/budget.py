"""Hard budgets of a day and of a run: reserved before a call, settled after it.

A budget is an object of the lake changed by compare-and-set, so that all workers share it. It
counts the most that each call in flight can cost; a call that might exceed it is not made. A
call whose process died keeps its reservation: nobody knows whether it was charged. What was
called while no budget was set is taken from the ledger, once in each process.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from decimal import Decimal
from functools import partial

from include.documents import digest
from include.errors import BudgetError, CommitConflictError, LakeError
from include.settings import Budgets
from include.spending.entries import Entry
from include.spending.ledger import Ledger, total
from include.storage.objects import ObjectStore

_LONGEST_RUN = timedelta(days=2)
_PATIENCE_SECONDS = 30.0
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Scope:
    """One budget: the object that counts it, its limit, and whose calls it covers."""

    path: str
    name: str
    limit: Decimal
    since: date
    run: str | None = None

    def covers(self, entry: Entry) -> bool:
        """Whether the call counts here."""
        return entry.caller.run == self.run if self.run is not None else True


@dataclass(slots=True)
class _Count:
    """What a budget's object holds."""

    spent: Decimal = _ZERO
    unbudgeted: Decimal = _ZERO
    reserved: dict[str, Decimal] = field(default_factory=dict)

    @property
    def used(self) -> Decimal:
        return self.spent + self.unbudgeted + sum(self.reserved.values(), _ZERO)


class Budget:
    """The configured limits over one lake; without limits it counts nothing and costs nothing."""

    def __init__(self, objects: ObjectStore, ledger: Ledger, limits: Budgets) -> None:
        self._objects = objects
        self._ledger = ledger
        self._limits = limits
        self._known: dict[str, tuple[Decimal, Decimal]] = {}

    @property
    def is_set(self) -> bool:
        """Whether there is a limit at all."""
        return self._limits.daily_usd is not None or self._limits.run_usd is not None

    def reserve(self, entry: Entry) -> None:
        """Sets the entry's cost aside in every budget, once. Raises BudgetError, with none changed."""
        self._in_every(entry, _reserve, lambda count: count.reserved.pop(entry.id, None))

    def begin(self, entry: Entry) -> None:
        """Counts the most that a call of this process can cost, as if it were spent.

        Unlike `reserve` not to be repeated. Raises BudgetError, with no budget changed.
        """
        self._in_every(entry, _begin, partial(_add, amount=-entry.cost_usd))

    def end(self, entry: Entry, counted: Decimal) -> None:
        """Counts what the call cost instead of that; writes nothing where it is the same."""
        if entry.cost_usd != counted:
            for scope in self._scopes(entry):
                amount = entry.cost_usd - counted
                self._change(scope, partial(_add, amount=amount), settles=True)

    def settle(self, entry: Entry) -> None:
        """Replaces what was set aside by what the call cost; a repetition changes nothing."""
        for scope in self._scopes(entry):
            self._change(scope, lambda count: _settle(count, entry))

    def _in_every(
        self,
        entry: Entry,
        change: Callable[[Entry, Scope, _Count], None],
        undo: Callable[[_Count], object],
    ) -> None:
        held: list[Scope] = []
        for scope in self._scopes(entry):
            try:
                self._change(scope, partial(change, entry, scope))
            except BudgetError:
                for each in held:
                    self._change(each, undo)
                raise
            held.append(scope)

    def _scopes(self, entry: Entry) -> list[Scope]:
        day, scopes = entry.at.astimezone(UTC).date(), []
        if self._limits.daily_usd is not None:
            scopes.append(Scope(_of_day(day), f"daily_usd of {day}", self._limits.daily_usd, day))
        if self._limits.run_usd is not None and entry.caller.run:
            run = entry.caller.run
            path = f"budgets/run-{digest('run', run)[:16]}.json"
            since = day - _LONGEST_RUN
            scopes.append(Scope(path, f"run_usd of {run}", self._limits.run_usd, since, run))
        return scopes

    def _change(
        self, scope: Scope, change: Callable[[_Count], object], *, settles: bool = False
    ) -> None:
        began, tries = time.monotonic(), 0
        while True:
            stored = self._objects.read(scope.path)
            if stored is None:  # the first call, or the count was lost: the ledger knows
                self._known.pop(scope.path, None)
                if settles:
                    return
            budgeted, unbudgeted = self._from_ledger(scope)
            count = _parse(stored.data, scope.path) if stored else _Count(spent=budgeted)
            count.unbudgeted = max(count.unbudgeted, unbudgeted)
            change(count)
            try:
                self._objects.write_if(scope.path, _dump(count), stored.etag if stored else None)
                return
            except CommitConflictError:
                if time.monotonic() - began > _PATIENCE_SECONDS:
                    raise
                tries += 1
                time.sleep(random.random() * min(0.5, 0.005 * 2**tries))  # noqa: S311 - no secret

    def _from_ledger(self, scope: Scope) -> tuple[Decimal, Decimal]:
        """What the ledger knows of the scope: calls that were counted here, and others."""
        if scope.path not in self._known:
            entries = [each for each in self._ledger.entries(scope.since) if scope.covers(each)]
            self._known[scope.path] = (
                total(each for each in entries if each.budgeted),
                total(each for each in entries if not each.budgeted),
            )
        return self._known[scope.path]


def used_on(objects: ObjectStore, day: date) -> Decimal | None:
    """What the budget of the day has counted, set aside included; None before its first call."""
    path = _of_day(day)
    stored = objects.read(path)
    return _parse(stored.data, path).used if stored else None


def _of_day(day: date) -> str:
    return f"budgets/day-{day}.json"


def _reserve(entry: Entry, scope: Scope, count: _Count) -> None:
    if entry.id in count.reserved:
        return
    _require(count, entry, scope)
    count.reserved[entry.id] = entry.cost_usd


def _begin(entry: Entry, scope: Scope, count: _Count) -> None:
    _require(count, entry, scope)
    _add(count, entry.cost_usd)


def _add(count: _Count, amount: Decimal) -> None:
    count.spent += amount


def _require(count: _Count, entry: Entry, scope: Scope) -> None:
    if count.used + entry.cost_usd > scope.limit:
        raise BudgetError(
            f"The budget {scope.name} is {scope.limit} USD; {count.used:f} USD are spent or set "
            f"aside, and the next call may cost {entry.cost_usd:f}. It was not made. Everything "
            f"paid for is kept: a run after the budget is renewed or raised (Variable "
            f"rag_budgets) goes on where this one stopped."
        )


def _settle(count: _Count, entry: Entry) -> None:
    if count.reserved.pop(entry.id, None) is not None:
        count.spent += entry.cost_usd


def _parse(data: bytes, path: str) -> _Count:
    try:
        held = json.loads(data)
        reserved = {name: Decimal(cost) for name, cost in held["reserved"].items()}
        return _Count(Decimal(held["spent"]), Decimal(held["unbudgeted"]), reserved)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        raise LakeError(
            f"{path} should hold what a budget has counted, is {data[:80]!r}: delete it, and it is "
            f"counted again from the ledger."
        ) from None


def _dump(count: _Count) -> bytes:
    reserved = {name: f"{cost:f}" for name, cost in count.reserved.items()}
    held = {"spent": f"{count.spent:f}", "unbudgeted": f"{count.unbudgeted:f}"}
    return json.dumps(held | {"reserved": reserved}).encode()
