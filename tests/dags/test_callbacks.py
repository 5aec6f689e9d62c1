"""What tasks leave behind when they end, in a real run of Airflow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import LakeError
from include.orchestration.callbacks import (
    SHARES,
    TaskKey,
    Usage,
    crossed,
    notifier,
    usage_callbacks,
)
from include.settings import Budgets
from include.spending.alerts import Alert

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.xdist_group("airflow"),
]
PENNY = Decimal("0.01")


@dataclass
class Ledger:
    """A Spending of what tasks paid, one penny a call."""

    budgets: Budgets = field(default_factory=Budgets)
    paid: list[TaskKey] = field(default_factory=list)

    def pay(self, task: Any) -> None:
        run = f"{task.dag_id}/{task.run_id}"
        self.paid.append(TaskKey(task.dag_id, run, task.task_id, task.map_index))

    def of_task(self, task: TaskKey) -> Usage:
        calls = self.paid.count(task)
        return Usage(calls, 100 * calls, 10 * calls, 0, PENNY * calls)

    def of_run(self, run: str) -> Decimal:
        return PENNY * sum(each.run == run for each in self.paid)

    def usual(self, task: TaskKey) -> Decimal | None:
        return None

    def troubles(self, task: TaskKey) -> list[Alert]:
        return []

    def today(self) -> Decimal:
        return PENNY * len(self.paid)


@pytest.fixture
def run(airflow_home, tmp_path):
    """Runs a Dag of every way to end; gives the XComs by task and map index."""

    def make(ledger: Any, notify: Any = ()) -> tuple[dict[tuple[str, int], Any], str]:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
        from airflow.models.xcom import XComModel
        from airflow.sdk import dag, task
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
        from airflow.utils.session import create_session

        @dag(
            start_date=datetime(2026, 1, 1, tzinfo=UTC),
            schedule=None,
            default_args={**usage_callbacks(lambda: ledger, notify)},
        )
        def usage_of_every_end() -> None:
            @task
            def free() -> None:
                """Calls nothing."""

            @task
            def succeeds(ti: Any = None) -> None:
                ledger.pay(ti)

            @task
            def fails(ti: Any = None) -> None:
                ledger.pay(ti)
                raise AirflowFailException("It ends here.")

            @task
            def skips(ti: Any = None) -> None:
                ledger.pay(ti)
                raise AirflowSkipException("Nothing to do.")

            @task(retries=1, retry_delay=timedelta(0))
            def tries_twice(ti: Any = None) -> None:
                ledger.pay(ti)
                if ti.try_number == 1:
                    raise RuntimeError("Once more.")

            @task
            def mapped(number: int, ti: Any = None) -> None:
                for _ in range(number):
                    ledger.pay(ti)

            free()
            succeeds()
            fails()
            skips()
            tries_twice()
            mapped.expand(number=[1, 2])

        made = usage_of_every_end()
        DagBundlesManager().sync_bundles_to_db()
        bag = DagBag(str(tmp_path))
        bag.bag_dag(made)
        sync_bag_to_db(bag, "dags-folder", None)
        done = made.test()
        with create_session() as session:
            rows = session.query(XComModel).filter_by(run_id=done.run_id, key="token_usage").all()
            return {
                (row.task_id, row.map_index): XComModel.deserialize_value(row) for row in rows
            }, str(done.state)

    return make


def test_every_task_that_paid_shows_it_however_it_ended(run):
    found, _ = run(Ledger())
    assert {place: each["calls"] for place, each in found.items()} == {
        ("succeeds", -1): 1,
        ("fails", -1): 1,
        ("skips", -1): 1,
        ("tries_twice", -1): 2,
        ("mapped", 0): 1,
        ("mapped", 1): 2,
    }
    assert found["mapped", 1] == {
        "calls": 2, "input_tokens": 200, "output_tokens": 20, "cached_tokens": 0,
        "total_tokens": 220, "cost_usd": "0.02"}  # fmt: skip


def test_budget_shares_are_told_once_to_whoever_is_notified(run):
    told: list[str] = []

    def make(sentence: str) -> Any:
        return lambda context: told.append(f"{context['ti'].dag_id}: {sentence}")

    run(Ledger(Budgets(daily_usd=Decimal("0.10"))), [notifier(make)])
    assert [each.split("reached ")[1] for each in told] == [
        "50 % of its budget: $0.05 of $0.10.", "80 % of its budget: $0.08 of $0.10."]  # fmt: skip
    assert all(each.startswith("usage_of_every_end: Today") for each in told)


def test_a_ledger_that_cannot_be_read_changes_no_task(run, caplog):
    class Broken(Ledger):
        def of_task(self, task: TaskKey) -> Usage:
            raise LakeError("The lake is away.")

    found, state = run(Broken())
    assert found == {}
    assert state == "failed"  # one task of the Dag fails on its own account
    assert "The lake is away." in caplog.text


@pytest.mark.parametrize(
    ("own", "spent", "told"),
    [
        ("1", "4.99", None),
        ("1", "5", "50 %"),
        ("1", "5.99", "50 %"),
        ("1", "6", None),
        ("4", "8", "80 %"),
        ("9", "9.5", "80 %"),
        ("2", "11", "100 %"),
        ("1", "12", None),
        ("0", "10", None),
    ],
)
def test_the_highest_share_that_was_crossed_is_told(own, spent, told):
    sentence = crossed("Today", Decimal(own), Decimal(spent), Decimal(10))
    assert (sentence is None) if told is None else (told in str(sentence))


def test_without_a_budget_nothing_is_told():
    assert crossed("Today", Decimal(1), Decimal(1), None) is None


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_tasks_one_after_the_other_tell_every_share_at_most_once(costs):
    spent, told = Decimal(0), []
    for cost in costs:
        spent += cost
        sentence = crossed("Today", Decimal(cost), spent, Decimal(100))
        told += [share for share in SHARES if sentence and f" {share} %" in sentence]
    assert told == sorted(set(told))
    reached = [share for share in SHARES if spent >= share]
    assert told[-1:] == reached[-1:]
