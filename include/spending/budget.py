"""Hard budgets of a day and of a run: reserved before a call, settled after it.

A budget is an object of the lake changed by compare-and-set, so that all workers share it. It
counts the most that each call in flight can cost; a call that might exceed it is not made. A
call whose process died keeps its reservation: nobody knows whether it was charged. What was
called while no budget was set is taken from the ledger, once in each process.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, date, timedelta
from decimal import Decimal

from include.documents import digest
from include.errors import BudgetError, CommitConflictError, TransientError
from include.settings import Budgets
from include.spending.count import Count, Scope
from include.spending.entries import Entry
from include.spending.ledger import Ledger, total
from include.storage.objects import ObjectStore

_LONGEST_RUN = timedelta(days=2)
_PATIENCE_SECONDS = 30.0
Change = Callable[[Count, Scope], None]


class Budget:
    """The configured limits over one lake; without limits it counts nothing and costs nothing."""

    def __init__(self, objects: ObjectStore, ledger: Ledger, limits: Budgets) -> None:
        self._objects = objects
        self._ledger = ledger
        self._limits = limits
        self._known: dict[str, tuple[Decimal, Decimal]] = {}

    @property
    def counts_days(self) -> bool:
        """Whether days have a limit."""
        return self._limits.daily_usd is not None

    @property
    def counts_runs(self) -> bool:
        """Whether runs have one."""
        return self._limits.run_usd is not None

    def reserve(self, entry: Entry) -> None:
        """Sets the entry's cost aside in every budget, once. Raises BudgetError, with none changed."""
        self._in_every(
            entry,
            lambda count, scope: count.reserve(entry, scope),
            lambda count, _: count.release(entry),
        )

    def begin(self, entry: Entry) -> None:
        """Counts the most that a call of this process can cost, as if it were spent.

        May be repeated before the call. Raises BudgetError, with no budget changed.
        """
        self._in_every(
            entry,
            lambda count, scope: count.begin(entry, scope),
            lambda count, _: count.take_back(entry),
        )

    def end(self, entry: Entry, counted: Decimal) -> None:
        """Counts what the call cost instead of that; writes nothing where it is the same.

        May be repeated.
        """
        if entry.cost_usd != counted:
            difference = entry.cost_usd - counted
            for scope in self._scopes(entry):
                self._change(scope, lambda count, _: count.end(entry, difference), settles=True)

    def settle(self, entry: Entry) -> None:
        """Replaces what was set aside by what the call cost; a repetition changes nothing."""
        for scope in self._scopes(entry):
            self._change(scope, lambda count, _: count.settle(entry))

    def _in_every(self, entry: Entry, change: Change, undo: Change) -> None:
        held: list[Scope] = []
        for scope in self._scopes(entry):
            try:
                self._change(scope, change)
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

    def _change(self, scope: Scope, change: Change, *, settles: bool = False) -> None:
        began, tries, unclear = time.monotonic(), 0, False
        while True:
            stored = self._objects.read(scope.path)
            if stored is None:  # the first call, or the count was lost: the ledger knows
                self._known.pop(scope.path, None)
                if settles:
                    return
            budgeted, unbudgeted = self._from_ledger(scope)
            count = Count.read(stored.data, scope.path) if stored else Count(spent=budgeted)
            count.unbudgeted = max(count.unbudgeted, unbudgeted)
            change(count, scope)
            try:
                self._objects.write_if(scope.path, count.written(), stored.etag if stored else None)
                return
            except TransientError as error:
                lost = isinstance(error, CommitConflictError)  # else it may have been done
                if (unclear and not lost) or time.monotonic() - began > _PATIENCE_SECONDS:
                    raise
                tries, unclear = tries + 1, unclear or not lost
                time.sleep(random.random() * min(0.5, 0.005 * 2**tries))  # noqa: S311 - no secret

    def _from_ledger(self, scope: Scope) -> tuple[Decimal, Decimal]:
        """What the ledger knows of the scope: calls that were counted here, and others."""
        if scope.path not in self._known:
            entries = list(self._ledger.entries(scope.since, run=scope.run))
            self._known[scope.path] = (
                total(each for each in entries if scope.has_counted(each)),
                total(each for each in entries if not scope.has_counted(each)),
            )
        return self._known[scope.path]


def used_on(objects: ObjectStore, day: date) -> Decimal | None:
    """What the budget of the day has counted, set aside included; None before its first call."""
    path = _of_day(day)
    stored = objects.read(path)
    return Count.read(stored.data, path).used if stored else None


def _of_day(day: date) -> str:
    return f"budgets/day-{day}.json"
