"""Hard budgets: no call that may exceed them is made, by however many workers."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from include.commands import reembed as reembedding
from include.commands import show
from include.commands.compare import Comparison, compare
from include.commands.evaluate import Asked as Evaluating
from include.commands.evaluate import evaluate
from include.commands.ingest import plan, sync
from include.commands.main import main
from include.commands.reembed import reembed, target
from include.commands.state import status
from include.errors import ApprovalError, BudgetError, ConfigurationError, TransientError
from include.settings import Budgets
from include.spending.budget import Budget
from include.spending.caller import Caller
from include.spending.entries import DONE, RESERVED, Entry, Purpose, new_call_id
from include.spending.ledger import Ledger, today_utc, total
from include.spending.prices import Tokens
from include.storage.objects import LocalObjects
from tests.s3.stores import Store

everywhere = pytest.mark.parametrize("lake", ["folder", "bucket"], indirect=True)


@pytest.fixture
def lake(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of a lake: in a folder, or in a bucket."""
    if getattr(request, "param", "folder") == "folder":
        return {}
    store: Store = request.getfixturevalue("s3")
    return {
        "RAG_LAKE_URI": f"s3://{store.bucket()}/lake",
        "AIRFLOW_CONN_RAG_S3": store.connection(),
    }


@pytest.fixture
def connected(connected, lake):
    return partial(connected, **lake)


def budgets(**limits: str) -> dict[str, str]:
    return {"AIRFLOW_VAR_RAG_BUDGETS": json.dumps(limits)}


def approving(platform, amount: str):
    """The platform as `--approve-usd AMOUNT` makes it."""
    limits = platform.settings.budgets.approving(Decimal(amount))
    platform.settings = replace(platform.settings, budgets=limits)
    return platform


def entries(platform):
    return list(platform.spending.ledger.entries(today_utc()))


def in_flight() -> Entry:
    """A call of one word that was made and has no answer yet."""
    at, purpose = datetime.now(UTC), Purpose("embed", "openai", "stand-in-embed")
    cost = Decimal("0.00000002")
    return Entry(new_call_id(at), at, purpose, Caller(), RESERVED, Tokens(1), cost, budgeted=True)


FIVE_CALLS = "0.0000001"  # of one word each, at 0.02 USD for a million


@everywhere
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


@everywhere
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


def golden(tmp_path) -> Path:
    file = tmp_path / "golden.jsonl"
    file.write_text('{"id": "1", "question": "one", "relevant": {"a.txt": 1}}\n')
    return file


COMMANDS = {
    "reembed": lambda platform, _: reembed(
        target(platform, "RAG_EMBEDDER=openai:stand-in-embed@32")
    ),
    "evaluate": lambda platform, file: evaluate(platform, Evaluating(questions=file)),
    "compare-chunkers": lambda platform, file: compare(
        platform, Comparison(file, ["tokens"], tokens=(16,))
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_budget_of_a_run_holds_for_every_command_that_is_one(
    connected, api, inbox, tmp_path, command
):
    (inbox / "a.txt").write_text("one two three " * 20)
    first = {"RAG_EMBEDDER": "fake:32"} if command == "reembed" else {}
    sync(connected(**first))
    calls = len(api.rows())
    with pytest.raises(BudgetError, match=r"run_usd of .*cli-"):
        COMMANDS[command](connected(**first, **budgets(run_usd="0")), golden(tmp_path))
    assert len(api.rows()) == calls


def test_comparing_chunkers_tells_what_each_costs(connected, inbox, tmp_path):
    (inbox / "a.txt").write_text("one two three " * 20)
    (row,) = compare(connected(), Comparison(golden(tmp_path), ["tokens"]))["strategies"]
    assert Decimal(row["estimated_cost_usd"]) == row["tokens_embedded"] * Decimal("0.00000002") > 0


@everywhere
def test_what_was_spent_while_no_budget_was_set_counts(connected):
    free = connected()
    for _ in range(4):
        free.embedder.embed_query("word")
    platform = connected(**budgets(daily_usd=FIVE_CALLS))
    platform.embedder.embed_query("word")
    with pytest.raises(BudgetError):
        platform.embedder.embed_query("word")


def test_what_only_the_budget_of_a_run_has_counted_counts_for_the_day(connected):
    """The Variable had both budgets, then that of runs alone, and has both again."""
    both = budgets(daily_usd=FIVE_CALLS, run_usd="1")
    connected(**both).embedder.embed_query("word")
    between = connected(**budgets(run_usd="1"))
    between.caller = Caller(run="r")
    for _ in range(3):
        between.embedder.embed_query("word")
    platform = connected(**both)
    platform.embedder.embed_query("word")
    with pytest.raises(BudgetError, match="daily_usd"):
        platform.embedder.embed_query("word")


def test_what_only_the_budget_of_the_day_has_counted_counts_for_a_run(connected):
    for limits in ({"run_usd": FIVE_CALLS}, {"daily_usd": "1"}):
        platform = connected(**budgets(**limits))
        platform.caller = Caller(run="r")
        for _ in range(2):
            platform.embedder.embed_query("word")
    platform = connected(**budgets(run_usd=FIVE_CALLS))
    platform.caller = Caller(run="r")
    platform.embedder.embed_query("word")
    with pytest.raises(BudgetError, match="run_usd of r"):
        platform.embedder.embed_query("word")


@everywhere
def test_a_lost_count_is_counted_again_from_the_ledger(connected):
    platform = connected(**budgets(daily_usd=FIVE_CALLS))
    for _ in range(5):
        platform.embedder.embed_query("word")
    platform.lake.objects.delete(f"budgets/day-{today_utc()}.json")
    with pytest.raises(BudgetError):
        connected(**budgets(daily_usd=FIVE_CALLS)).embedder.embed_query("word")


@everywhere
def test_a_refused_call_gives_its_reservation_back(connected, api):
    api.control(faults=["429", "500", "429"], retry_after="0.01")
    platform = connected(**budgets(daily_usd="0.00000002"))
    platform.remote._sleep = lambda _: None
    platform.embedder.embed_query("word")
    assert len(api.rows(charged=True)) == 1


def count_of(platform) -> bytes:
    return platform.lake.objects.read(f"budgets/day-{today_utc()}.json").data


class Counted(LocalObjects):
    """A folder that counts its writes."""

    writes = 0

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        self.writes += 1
        return super().write_if(path, data, etag)


def test_a_call_that_costs_what_was_set_aside_is_counted_by_one_write(tmp_path):
    objects = Counted(tmp_path)
    budget = Budget(objects, Ledger(objects), Budgets.parse({"daily_usd": 1}))
    entry = in_flight()
    budget.begin(entry)
    budget.end(entry.settled(DONE), entry.cost_usd)
    assert objects.writes == 1


@everywhere
def test_a_call_that_costs_less_or_more_than_was_set_aside_counts_as_it_cost(connected):
    platform = connected(**budgets(daily_usd="1"))
    for cost in ("0", "0.00000001", "0.0000001"):
        entry = in_flight()
        platform.spending.budget.begin(entry)
        before = Decimal(json.loads(count_of(platform))["spent"]) - entry.cost_usd
        settled = entry.settled(DONE, cost_usd=Decimal(cost))
        platform.spending.budget.end(settled, entry.cost_usd)
        after = Decimal(json.loads(count_of(platform))["spent"])
        assert after - before == Decimal(cost)


def test_a_count_lost_while_a_call_is_in_flight_is_counted_from_the_ledger(tmp_path):
    objects = LocalObjects(tmp_path)
    ledger, path = Ledger(objects), f"budgets/day-{today_utc()}.json"
    budget = Budget(objects, ledger, Budgets.parse({"daily_usd": 1}))
    entry = in_flight()
    budget.begin(entry)
    ledger.write(entry)
    objects.delete(path)
    settled = entry.settled(DONE, cost_usd=Decimal("0.00000001"))
    ledger.write(settled)
    budget.end(settled, entry.cost_usd)
    budget.begin(in_flight())
    assert Decimal(json.loads(objects.read(path).data)["spent"]) == Decimal("0.00000003")


def test_calls_that_are_set_aside_by_name_count_too(connected):
    held = {"spent": "0.00000004", "unbudgeted": "0", "reserved": {"x": "0.00000006"}}
    platform = connected(**budgets(daily_usd=FIVE_CALLS))
    path = f"budgets/day-{today_utc()}.json"
    platform.lake.objects.write(path, json.dumps(held).encode())
    with pytest.raises(BudgetError, match=r"0\.00000010 USD are spent"):
        platform.embedder.embed_query("word")


@everywhere
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


@pytest.mark.parametrize("end", ["budget", "outage"])
def test_requests_paid_before_the_end_of_a_write_are_not_paid_again(connected, inbox, api, end):
    """A write to the cache holds several requests; the third of five is not answered."""
    write(inbox, 10)
    limits = budgets(run_usd="0.0000006") if end == "budget" else {}
    api.control(faults=["", "", *["503"] * 2] if end == "outage" else [], retry_after="0")
    with pytest.raises(BudgetError if end == "budget" else TransientError):
        sync(connected({"max_inputs": 2, "tries": 2}, **limits))
    assert len(api.rows(charged=True)) == 2
    receipt, _ = sync(connected({"max_inputs": 2}))
    assert (receipt["reused"], receipt["embedded"]) == (4, 6)
    assert len(api.rows(charged=True)) == 5


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


APPROVAL = budgets(approval_usd="0.0000001")


def test_above_approval_usd_a_sync_pays_nothing_until_somebody_says_so(connected, api, inbox):
    (inbox / "a.txt").write_text("One document of nine words, each of which costs.")
    before = plan(connected(**APPROVAL))
    estimate = before["estimated_cost_usd"]
    assert Decimal(estimate) > Decimal("0.0000001")
    with pytest.raises(ApprovalError, match=f"costs {estimate} USD.*--approve-usd {estimate}"):
        sync(connected(**APPROVAL))
    assert api.rows() == []
    assert plan(connected(**APPROVAL)) == before
    receipt, status = sync(approving(connected(**APPROVAL), estimate))
    assert (receipt["cost_usd"], status) == (estimate, 0)


LIMITED = budgets(approval_usd="0.0000001", daily_usd="0.0000003", run_usd="0.0000001")


def test_a_plan_says_that_it_needs_approval_and_which_budgets_stop_it(connected, inbox):
    (inbox / "a.txt").write_text("One document of nine words, each of which costs.")
    free = plan(connected())
    assert (free["approval_usd"], free["needs_approval"], free["stopped_by"]) == (None, False, [])
    found = plan(connected(**LIMITED))
    assert found["approval_usd"] == "0.0000001"
    assert found["needs_approval"] is True
    assert found["stopped_by"] == ["run_usd"]
    assert f"--approve-usd {found['estimated_cost_usd']}" in show.plan(found)
    assert "stopped by run_usd" in show.plan(found)
    spent = connected(**LIMITED)
    for _ in range(9):
        spent.embedder.embed_query("word")
    assert plan(connected(**LIMITED))["stopped_by"] == ["daily_usd", "run_usd"]
    approved = plan(approving(connected(**LIMITED), found["estimated_cost_usd"]))
    assert approved["needs_approval"] is False


def test_a_plan_of_another_index_says_the_same(connected, inbox):
    (inbox / "a.txt").write_text("One document of nine words, each of which costs.")
    sync(connected(RAG_EMBEDDER="fake:32"))
    other = target(
        connected(RAG_EMBEDDER="fake:32", **LIMITED), "RAG_EMBEDDER=openai:stand-in-embed@32"
    )
    found = reembedding.plan(other)
    assert (found["needs_approval"], found["stopped_by"]) == (True, ["run_usd"])
    assert "1 of 1 documents are missing" in show.plan(found)
    assert "`reembed` --approve-usd" in show.plan(found)


def test_an_approval_of_less_than_the_estimate_is_none(connected, api, inbox):
    (inbox / "a.txt").write_text("One document of nine words, each of which costs.")
    with pytest.raises(ApprovalError):
        sync(approving(connected(**APPROVAL), "0.00000011"))
    assert api.rows() == []


def test_an_approval_lowers_no_threshold(connected, inbox):
    (inbox / "a.txt").write_text("One document.")
    assert sync(approving(connected(**budgets(approval_usd="1")), "0"))[1] == 0


def test_a_fill_of_another_index_asks_too_and_ingestion_leaves_it_behind(connected, api, inbox):
    (inbox / "a.txt").write_text("One document.")
    sync(connected(RAG_EMBEDDER="fake:32"))
    other = "RAG_EMBEDDER=openai:stand-in-embed@32"
    reembed(target(connected(RAG_EMBEDDER="fake:32"), other))
    calls = len(api.rows())
    (inbox / "b.txt").write_text("Another document of nine words, each of which costs.")
    receipt, status = sync(connected(RAG_EMBEDDER="fake:32", **APPROVAL))
    assert (receipt["published"], status, len(api.rows())) == (1, 0, calls)
    with pytest.raises(ApprovalError):
        reembed(target(connected(RAG_EMBEDDER="fake:32", **APPROVAL), other))
    assert len(api.rows()) == calls
    reembed(target(approving(connected(RAG_EMBEDDER="fake:32", **APPROVAL), "1"), other))
    assert len(api.rows()) == calls + 1


def test_the_command_line_stops_with_status_1_and_takes_an_approval(
    connected, api, environment, inbox, monkeypatch, capsys
):
    (inbox / "a.txt").write_text("One document.")
    world = {**environment, **api.environment(), **APPROVAL}
    for name, value in (world | {"RAG_EMBEDDER": "openai:stand-in-embed@32"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_VAR_RAG_BUDGETS", '{"approval_usd": "0"}')
    assert main(["sync"]) == 1
    assert "--approve-usd 0.00000004" in capsys.readouterr().err
    assert api.rows() == []
    for wrong in ("much", "-1", "nan"):
        with pytest.raises(SystemExit):
            main(["sync", "--approve-usd", wrong])
    assert main(["sync", "--approve-usd", "0.00000004"]) == 0
    assert len(api.rows()) == 1
