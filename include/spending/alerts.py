"""What somebody should hear of: failing or slow calls, dear runs, budgets nearly used. Pure.

`costs` and `status` look at all runs of their days; the callbacks of a task at the task itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC
from decimal import Decimal
from itertools import groupby
from statistics import median

from include.settings import Budgets
from include.spending.entries import CACHED, REFUSED, RESERVED, UNKNOWN, UNUSABLE, Entry
from include.spending.ledger import total

ERROR_RATE = 0.05
SLOW_SECONDS = 30.0
FACTOR = 3
"""A run is dear when it costs so many times the median of the runs before it."""
RUNS_COMPARED = 20
_LEAST_RUNS = 3
SHARES = (50, 80, 100)
"""Percentages of a budget that are told."""


@dataclass(frozen=True, slots=True)
class Alert:
    """`kind` is errors, latency, cost or budget; `subject` the run or day it is about."""

    kind: str
    subject: str
    message: str

    def as_json(self) -> dict[str, str]:
        """All of it."""
        return asdict(self)


def troubled(subject: str, entries: Iterable[Entry]) -> list[Alert]:
    """Alerts of calls that fail or are slow; one single failure is no rate."""
    over = [each for each in entries if each.status not in (RESERVED, CACHED)]
    failed = sum(each.status in (UNKNOWN, UNUSABLE, REFUSED) for each in over)
    found = []
    if failed > 1 and failed > ERROR_RATE * len(over):
        share = f"{100 * failed / len(over):.0f} %"
        found.append(
            Alert("errors", subject, f"{subject}: {failed} of {len(over)} calls failed ({share}).")
        )
    seconds = sorted(each.seconds for each in over)
    slow = seconds[math.ceil(0.95 * len(seconds)) - 1] if seconds else 0.0
    if slow > SLOW_SECONDS:
        message = f"{subject}: 5 % of its {len(over)} calls took {slow:.0f} s or longer."
        found.append(Alert("latency", subject, message))
    return found


def usual(costs: Sequence[Decimal]) -> Decimal | None:
    """The median of the last runs that cost anything, the latest last; None for too few."""
    paid = [cost for cost in costs if cost][-RUNS_COMPARED:]
    return median(paid) if len(paid) >= _LEAST_RUNS else None


def dear(subject: str, cost: Decimal, before: Decimal | None) -> Alert | None:
    """An alert when the run costs more than FACTOR times what is usual."""
    if before is None or cost <= FACTOR * before:
        return None
    message = f"{subject} has cost ${cost:f}; ${before:f} is usual."
    return Alert("cost", subject, message)


def run_costs(entries: Iterable[Entry], kind: str) -> dict[str, Decimal]:
    """What each run of this kind cost, in the order in which they began. See `kind_of`."""
    costs: dict[str, Decimal] = {}
    for entry in entries:
        if entry.caller.run and kind_of(entry) == kind:
            costs[entry.caller.run] = costs.get(entry.caller.run, Decimal(0)) + entry.cost_usd
    return costs


def kind_of(entry: Entry) -> str:
    """What runs are compared with: others of their Dag, or of their command."""
    return entry.caller.dag or entry.caller.task


def alerts(entries: Iterable[Entry], budgets: Budgets) -> list[Alert]:
    """Those of every run and every day (UTC) of these calls, in the order of time."""
    held = sorted(entries, key=lambda each: each.id)
    found = []
    for day, calls in groupby(held, key=lambda each: each.at.astimezone(UTC).date().isoformat()):
        found += _share(day, total(calls), budgets.daily_usd)
    runs: dict[str, list[Entry]] = {}
    for entry in held:
        if entry.caller.run:
            runs.setdefault(entry.caller.run, []).append(entry)
    earlier: dict[str, list[Decimal]] = {}
    for run, its in runs.items():
        cost, known = total(its), earlier.setdefault(kind_of(its[0]), [])
        far = dear(run, cost, usual(known))
        found += [*troubled(run, its), *_share(run, cost, budgets.run_usd)]
        found += [far] if far else []
        known.append(cost)
    return found


def _share(subject: str, spent: Decimal, limit: Decimal | None) -> list[Alert]:
    reached = [share for share in SHARES if limit and spent * 100 >= share * limit]
    if not reached:
        return []
    message = f"{subject} has reached {reached[-1]} % of its budget: ${spent:f} of ${limit:f}."
    return [Alert("budget", subject, message)]
