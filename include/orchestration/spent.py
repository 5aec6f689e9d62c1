"""What the ledger of the lake says of a task, its run and the day: the Spending of the callbacks."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from include.orchestration.callbacks import TaskKey, Usage
from include.settings import Budgets
from include.spending.alerts import Alert, run_costs, troubled, usual
from include.spending.costs import Sum
from include.spending.entries import Entry
from include.spending.ledger import Ledger, today_utc, total

_LONGEST_RUN = timedelta(days=2)
_COMPARED = timedelta(days=6)


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
        found = Sum.of(self._of_task(task))
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

    def usual(self, task: TaskKey) -> Decimal | None:
        """The median cost of the Dag's earlier runs of the last seven days."""
        entries = self._ledger.entries(today_utc() - _COMPARED)
        costs = run_costs(entries, task.dag)
        earlier = list(costs)[: list(costs).index(task.run)] if task.run in costs else list(costs)
        return usual([costs[run] for run in earlier])

    def troubles(self, task: TaskKey) -> list[Alert]:
        """Calls of the task that failed or were slow."""
        name = f"Task {task.dag}.{task.task}"
        return troubled(name, self._of_task(task))

    def today(self) -> Decimal:
        """What the day (UTC) has cost so far."""
        return self._ledger.spent(today_utc())

    def _of_task(self, task: TaskKey) -> list[Entry]:
        return [
            entry
            for entry in self._of_run(task.run)
            if (entry.caller.task, entry.caller.map_index) == (task.task, task.map_index)
        ]

    def _of_run(self, run: str) -> list[Entry]:
        if run not in self._runs:
            self._runs[run] = list(self._ledger.entries(today_utc() - _LONGEST_RUN, run=run))
        return self._runs[run]
