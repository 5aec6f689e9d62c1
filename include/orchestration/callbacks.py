"""What happens when a task ends: its usage and cost are attached to the run, budgets are looked at.

    from include.orchestration.callbacks import usage_callbacks

    @dag(default_args=usage_callbacks())

On success, failure, retry and skip the task's usage goes to the XCom `token_usage`, the log gets one
event, and whoever is to be notified hears of each budget share that this task has crossed. The
ledger is the truth, callbacks only publish: Airflow runs none for a task that was killed, and other
tasks may have started before one runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from include.errors import PlatformError
from include.observability.log import report, warn
from include.settings import Budgets
from include.spending.alerts import SHARES, Alert, dear

XCOM_KEY = "token_usage"
Context = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskKey:
    """A task of a run, all of its tries. `run` is Airflow's run id behind its Dag's: `dag/run`."""

    dag: str
    run: str
    task: str
    map_index: int = -1


@dataclass(frozen=True, slots=True)
class Usage:
    """The sum of a task's calls to paid models, all tries together."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    def as_json(self) -> dict[str, Any]:
        """The XCom's value; money is a decimal string."""
        return {
            "calls": self.calls,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_tokens": self.cached_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            "cost_usd": f"{self.cost_usd:f}",
        }


class Spending(Protocol):
    """What callbacks ask of a ledger."""

    @property
    def budgets(self) -> Budgets:
        """The limits as they are now."""
        ...

    def of_task(self, task: TaskKey) -> Usage:
        """The usage of one task in one run."""
        ...

    def of_run(self, run: str) -> Decimal:
        """What a run has cost so far, this task included."""
        ...

    def usual(self, task: TaskKey) -> Decimal | None:
        """What a run of this Dag usually costs; None while that is not known."""
        ...

    def troubles(self, task: TaskKey) -> Sequence[Alert]:
        """What is wrong with the task's own calls: many failed, or were slow."""
        ...

    def today(self) -> Decimal:
        """What the present day (UTC) has cost so far, this task included."""
        ...


Notify = Callable[[Context, str], None]
"""Tells somebody one sentence about a task."""


def usage_callbacks(
    spending: Callable[[], Spending] | None = None, notify: Sequence[Notify] = ()
) -> dict[str, Callable[[Context], None]]:
    """Callbacks by the names that `default_args` and tasks take.

    `spending` opens the ledger, in the task's process: by default that of the lake, and only for
    tasks that can have paid. `notify` is told of budget shares beside the log; `notifier` makes
    one of any Airflow notifier.
    """

    def publish(ended: str, context: Context) -> None:
        try:
            if spending is not None:
                _publish(context, ended, spending(), notify)
            elif _may_have_paid(context):
                _publish(context, ended, _of_lake(), notify)
        except PlatformError as error:
            # The task has ended as it has; the ledger still holds what it cost.
            warn(f"The usage of {context['ti'].task_id!r} is not attached to its run: {error}")

    return {f"on_{when}_callback": partial(publish, ended) for when, ended in _ENDS.items()}


def notifier(make: Callable[[str], Callable[[Context], None]]) -> Notify:
    """A Notify of an Airflow notifier: `notifier(lambda text: SlackNotifier(text=text))`."""
    return lambda context, sentence: make(sentence)(context)


def crossed(name: str, own: Decimal, spent: Decimal, limit: Decimal | None) -> str | None:
    """A sentence for the highest share of a budget that this task's own cost has crossed. Pure.

    `spent` includes `own`. Tasks that end at the same moment may both tell of it, or, where each
    counts the other as earlier, neither: it is a warning. The budget itself is held elsewhere.
    """
    if not limit or not own:
        return None
    shares = [s for s in SHARES if (spent - own) * 100 < s * limit <= spent * 100]
    if not shares:
        return None
    return f"{name} has reached {shares[-1]} % of its budget: ${spent:f} of ${limit:f}."


def _may_have_paid(context: Context) -> bool:
    """False is certain: every payment loads its module, and an earlier try may have been killed."""
    return _PAYING in sys.modules or context["ti"].try_number > 1


def _of_lake() -> Spending:
    from include.orchestration.connecting import configured
    from include.orchestration.spent import LedgerSpending

    platform = configured()
    return LedgerSpending(platform.spending.ledger, platform.settings.budgets)


_PAYING = "include.spending.account"


def _unusual(key: TaskKey, own: Decimal, run: Decimal, usual: Decimal | None) -> str | None:
    """A sentence when this task's own cost has made the run far dearer than usual."""
    name = f"Run {key.run}"
    found = None if dear(name, run - own, usual) else dear(name, run, usual)
    return found.message if found else None


_ENDS = {
    "success": "succeeded",
    "failure": "failed",
    "retry": "is tried again",
    "skipped": "skipped",
}


def _publish(context: Context, ended: str, spending: Spending, notify: Sequence[Notify]) -> None:
    task = context["ti"]
    key = TaskKey(
        task.dag_id, f"{task.dag_id}/{task.run_id}", task.task_id, getattr(task, "map_index", -1)
    )
    usage = spending.of_task(key)
    if not usage.calls:
        return
    task.xcom_push(XCOM_KEY, usage.as_json())
    report("usage", task=f"{key.dag}.{key.task}", map_index=key.map_index, ended=ended, **usage.as_json())  # fmt: skip
    limits, own = spending.budgets, usage.cost_usd
    run = spending.of_run(key.run)
    day = spending.today() if limits.daily_usd else Decimal(0)
    for told in (
        crossed(f"Run {key.run}", own, run, limits.run_usd),
        crossed("Today", own, day, limits.daily_usd),
        _unusual(key, own, run, spending.usual(key) if own else None),
        *(each.message for each in spending.troubles(key)),
    ):
        if told:
            warn(told)
            for tell in notify:
                tell(context, told)
