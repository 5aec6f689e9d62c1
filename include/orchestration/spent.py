"""What the ledger of the lake says of a task, its run and the day: the Spending of the callbacks."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from include.orchestration.callbacks import TaskKey, Usage
from include.settings import Budgets
from include.spending.costs import Sum
from include.spending.entries import Entry
from include.spending.ledger import Ledger, today_utc, total

_LONGEST_RUN = timedelta(days=2)


class LedgerSpending:
    """Reads a run's calls once; the day's only when they are asked for."""

    def __init__(self, ledger: Ledger, budgets: Budgets) -> None:
        self._ledger = ledger
        self._budgets = budgets
        self._runs: dict[str, list[Entry]] = {}

    @property
    def budgets(self) -> Budgets:
        """The limits as they were when the task ended."""
        return self._budgets

    def of_task(self, task: TaskKey) -> Usage:
        """The calls of all tries of one task, those in flight or killed included."""
        found = Sum.of(
            entry
            for entry in self._of_run(task.run)
            if (entry.caller.task, entry.caller.map_index) == (task.task, task.map_index)
        )
        return Usage(
            calls=found.calls,
            input_tokens=found.input_tokens,
            output_tokens=found.output_tokens,
            cached_tokens=found.cached_tokens,
            cost_usd=found.cost_usd,
        )

    def of_run(self, run: str) -> Decimal:
        """What the run has cost so far."""
        return total(self._of_run(run))

    def today(self) -> Decimal:
        """What the day (UTC) has cost so far."""
        return self._ledger.spent(today_utc())

    def _of_run(self, run: str) -> list[Entry]:
        if run not in self._runs:
            self._runs[run] = list(self._ledger.entries(today_utc() - _LONGEST_RUN, run=run))
        return self._runs[run]
