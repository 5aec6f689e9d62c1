"""Alerts: what is told, and that the usual is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from include.commands.costs import show_costs, spent
from include.commands.state import status
from include.orchestration.callbacks import TaskKey
from include.orchestration.spent import LedgerSpending
from include.settings import Budgets
from include.spending.alerts import alerts, dear, usual
from include.spending.caller import Caller
from include.spending.entries import (
    CACHED,
    DONE,
    REFUSED,
    RESERVED,
    UNKNOWN,
    UNUSABLE,
    Entry,
    Purpose,
)
from include.spending.ledger import Ledger
from include.spending.prices import Tokens
from include.storage.objects import LocalObjects

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def calls(*what, run="d/1", dag="d", at=NOON):
    """One call for each `(status, seconds, cost)`, a second after the other."""
    return [
        Entry(
            f"{at + timedelta(seconds=n):%Y%m%dT%H%M%S}-{run}-{n}",
            at + timedelta(seconds=n),
            Purpose("embed", "openai", "m"),
            Caller(dag, run, "embed"),
            status,
            Tokens(1),
            Decimal(cost),
            seconds=seconds,
        )
        for n, (status, seconds, cost) in enumerate(what)
    ]


OK = (DONE, 0.1, "0.01")


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ([OK] * 95 + [(REFUSED, 0.1, "0")] * 5, None),
        ([OK] * 94 + [(REFUSED, 0.1, "0")] * 6, "6 of 100 calls failed (6 %)"),
        ([OK] * 3 + [(UNKNOWN, 0.1, "0")], None),
        ([(UNKNOWN, 0.1, "0"), (UNUSABLE, 0.1, "0"), OK], "2 of 3 calls failed (67 %)"),
        ([(RESERVED, 0, "0.01"), (CACHED, 0, "0")] * 50, None),
        ([OK] * 95 + [(DONE, 31, "0.01")] * 5, None),
        ([OK] * 94 + [(DONE, 31, "0.01")] * 6, "took 31 s or longer"),
        ([(DONE, 30, "0.01")], None),
        ([(DONE, 30.1, "0.01")], "took 30 s or longer"),
        ([], None),
    ],
)
def test_failing_and_slow_calls_are_told(made, told):
    found = alerts(calls(*made), Budgets())
    assert [told in each.message for each in found] == ([True] if told else [])


def test_a_run_is_dear_beside_the_median_of_those_before_it():
    assert usual([Decimal(1), Decimal(0), Decimal(2)]) is None
    assert usual([Decimal(1), Decimal(100), Decimal(2)]) == 2
    assert dear("r", Decimal(6), Decimal(2)) is None
    assert dear("r", Decimal("6.01"), Decimal(2)).kind == "cost"
    costs = ["1", "90", "1", "3", "3.01", "1"]
    runs = [
        each
        for n, cost in enumerate(costs)
        for each in calls((DONE, 1, cost), run=f"d/{n}", at=NOON + timedelta(minutes=n))
    ]
    other = calls((DONE, 1, "50"), run="e/1", dag="e", at=NOON + timedelta(hours=1))
    assert [each.subject for each in alerts(runs + other, Budgets())] == []
    runs += calls((DONE, 1, "7.1"), run="d/9", at=NOON + timedelta(hours=2))
    assert [each.message for each in alerts(runs + other, Budgets())] == [
        "d/9 has cost $7.1; $2 is usual."
    ]


def test_budgets_of_days_and_runs_are_told_by_the_highest_share():
    made = calls((DONE, 1, "4"), run="d/1") + calls((DONE, 1, "4.5"), run="d/2")
    limits = Budgets(daily_usd=Decimal(10), run_usd=Decimal(8))
    assert [each.message for each in alerts(made, limits)] == [
        "2026-11-20 has reached 80 % of its budget: $8.5 of $10.",
        "d/1 has reached 50 % of its budget: $4 of $8.",
        "d/2 has reached 50 % of its budget: $4.5 of $8.",
    ]


def test_a_task_that_ends_is_compared_with_earlier_runs(tmp_path):
    ledger, now = Ledger(LocalObjects(tmp_path)), datetime.now(UTC)
    for n, cost in enumerate(("1", "2", "3", "40", "1000")):
        for each in calls((DONE, 40, cost), run=f"d/{n}", at=now + timedelta(microseconds=n)):
            ledger.write(each)
    spending, task = LedgerSpending(ledger, Budgets()), TaskKey("d", "d/3", "embed")
    assert spending.usual(task) == 2  # of the runs before it
    assert spending.usual(TaskKey("e", "e/1", "embed")) is None
    assert [each.kind for each in spending.troubles(task)] == ["latency"]


def test_costs_and_status_show_them(world):
    platform = world(AIRFLOW_VAR_RAG_BUDGETS='{"daily_usd": "1"}')
    for each in calls((DONE, 1, "0.9"), at=datetime.now(UTC)):
        platform.spending.ledger.write(each)
    answer = spent(platform, days=1, by="model")
    assert [each["kind"] for each in answer["alerts"]] == ["budget"]
    assert "Alert: " in show_costs(answer)
    assert "80 %" in status(platform)["alerts"][0]["message"]
