"""Hard budgets: no call that may exceed them is made, by however many workers."""

from __future__ import annotations

import json
import threading
from decimal import Decimal

import pytest

from include.commands.ingest import plan, sync
from include.commands.state import status
from include.errors import BudgetError, ConfigurationError
from include.spending.caller import Caller
from include.spending.ledger import today_utc, total


def budgets(**limits: str) -> dict[str, str]:
    return {"AIRFLOW_VAR_RAG_BUDGETS": json.dumps(limits)}


def entries(platform):
    return list(platform.spending.ledger.entries(today_utc()))


FIVE_CALLS = "0.0000001"  # of one word each, at 0.02 USD for a million


def test_a_call_that_might_exceed_the_budget_is_not_made(connected, api):
    platform = connected(**budgets(daily_usd=FIVE_CALLS))
    for _ in range(5):
        platform.embedder.embed_query("word")
    with pytest.raises(BudgetError, match="daily_usd"):
        platform.embedder.embed_query("word")
    assert len(api.rows()) == len(entries(platform)) == 5


def test_a_budget_of_nothing_allows_nothing_that_costs(connected, api):
    platform = connected(**budgets(run_usd="0"))
    platform.caller = Caller(run="r")
    with pytest.raises(BudgetError, match="run_usd of r"):
        platform.embedder.embed_query("word")
    assert api.rows() == []


def test_a_budget_of_a_run_is_that_runs_alone(connected):
    for run in ("one", "two"):
        platform = connected(**budgets(run_usd=FIVE_CALLS, daily_usd="1"))
        platform.caller = Caller(run=run)
        for _ in range(5):
            platform.embedder.embed_query("word")
        with pytest.raises(BudgetError, match=f"run_usd of {run}"):
            platform.embedder.embed_query("word")
    # What the run refused is not set aside for the day.
    day = json.loads(platform.lake.objects.read(f"budgets/day-{today_utc()}.json").data)
    assert day["reserved"] == {}
    assert Decimal(day["spent"]) == 2 * Decimal(FIVE_CALLS)


def test_what_was_spent_while_no_budget_was_set_counts(connected):
    free = connected()
    for _ in range(4):
        free.embedder.embed_query("word")
    platform = connected(**budgets(daily_usd=FIVE_CALLS))
    platform.embedder.embed_query("word")
    with pytest.raises(BudgetError):
        platform.embedder.embed_query("word")


def test_a_lost_count_is_counted_again_from_the_ledger(connected):
    platform = connected(**budgets(daily_usd=FIVE_CALLS))
    for _ in range(5):
        platform.embedder.embed_query("word")
    platform.lake.objects.delete(f"budgets/day-{today_utc()}.json")
    with pytest.raises(BudgetError):
        connected(**budgets(daily_usd=FIVE_CALLS)).embedder.embed_query("word")


def test_a_refused_call_gives_its_reservation_back(connected, api):
    api.control(faults=["429", "500", "429"], retry_after="0.01")
    platform = connected(**budgets(daily_usd="0.00000002"))
    platform.remote._sleep = lambda _: None
    platform.embedder.embed_query("word")
    assert len(api.rows(charged=True)) == 1


def test_many_workers_do_not_exceed_it_by_a_single_call(connected, api):
    api.control(seconds=0.02)
    platforms = [connected(**budgets(daily_usd="0.0000004")) for _ in range(8)]
    refused = []

    def work(platform) -> None:
        try:
            for _ in range(10):
                platform.embedder.embed_query("word")
        except BudgetError as error:
            refused.append(error)

    threads = [threading.Thread(target=work, args=(each,)) for each in platforms]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(refused) == 8
    assert len(api.rows(charged=True)) == 20
    assert total(entries(platforms[0])) == Decimal("0.0000004")


def write(inbox, number: int) -> None:
    for at in range(number):
        (inbox / f"{at:02d}.txt").write_text(f"Document {at} says something of its own.")


def test_a_plan_tells_the_cost_and_the_receipt_says_the_same(connected, inbox, api):
    write(inbox, 3)
    planned = plan(connected())
    assert Decimal(planned["estimated_cost_usd"]) == Decimal("0.00000042")
    assert api.rows() == []
    platform = connected()
    receipt, _ = sync(platform)
    assert Decimal(receipt["cost_usd"]) == Decimal(receipt["estimated_cost_usd"])
    assert Decimal(receipt["cost_usd"]) == Decimal(planned["estimated_cost_usd"])
    assert Decimal(status(platform)["spend_today_usd"]) == Decimal("0.00000042")
    again, _ = sync(connected())
    assert (again["cost_usd"], again["embedded"]) == ("0", 0)


def test_a_sync_that_meets_its_budget_keeps_what_it_paid_and_the_next_goes_on(
    connected, inbox, api
):
    write(inbox, 10)
    few = {"RAG_EMBED_BATCH_TEXTS": "1"}
    with pytest.raises(BudgetError, match="goes on where this one stopped"):
        sync(connected(**few, **budgets(run_usd="0.0000006")))  # four of ten
    assert len(api.rows()) == 4
    receipt, _ = sync(connected(**few, **budgets(run_usd="0.000001")))
    assert (receipt["reused"], receipt["embedded"], receipt["published"]) == (4, 6, 10)
    assert len(api.rows(charged=True)) == 10


def test_local_models_cost_nothing_and_need_no_connection(world, inbox):
    write(inbox, 2)
    receipt, _ = sync(world(**budgets(daily_usd="0")))
    assert (receipt["cost_usd"], receipt["published"]) == ("0", 2)


def test_wrong_prices_stop_a_run_before_it_begins(world, inbox, monkeypatch):
    write(inbox, 1)
    monkeypatch.setenv("AIRFLOW_VAR_RAG_PRICES", "[]")
    platform = world()
    with pytest.raises(ConfigurationError, match="rag_prices"):
        sync(platform)
    assert platform.tables.documents.count() == 0
