"""A store that says a write failed which it has done: budgets count it once, and no answer is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from include.errors import BudgetError, TransientError
from include.llm.protocol import ChatRequest, Message
from include.settings import Budgets
from include.spending.budget import Budget
from include.spending.caller import Caller
from include.spending.entries import DONE, RESERVED, Entry, Purpose, new_call_id
from include.spending.ledger import Ledger, today_utc
from include.spending.prices import Tokens
from include.storage.objects import LocalObjects, ObjectStore
from include.storage.s3_objects import S3Objects
from include.storage.s3_place import S3Place
from tests.s3.stores import Store, served

ONE_TRY = {
    "s3": {"addressing_style": "path"},
    "retries": {"mode": "standard", "total_max_attempts": 1},
}
DAY = f"budgets/day-{today_utc()}.json"
CENT = Decimal("0.01")


def call(cost: Decimal = CENT, run: str = "") -> Entry:
    at, purpose = datetime.now(UTC), Purpose("embed", "openai", "m")
    return Entry(new_call_id(at), at, purpose, Caller(run=run), RESERVED, Tokens(1), cost)


def spent(objects: ObjectStore, path: str = DAY) -> Decimal:
    stored = objects.read(path)
    assert stored is not None
    return Decimal(json.loads(stored.data)["spent"])


@pytest.fixture(scope="module")
def forgetful(s3: Store) -> Iterator[Store]:
    """A store that does all that it is asked and answers two of five requests about budgets with 503."""
    with served("tests.s3.bad_proxy", s3.endpoint, "forgetful", "0.4", "budgets/") as store:
        yield store


def insisting(step: Callable[[], object]) -> None:
    """Repeats the step, as whoever is told that a store is busy, until it is said to be done."""
    for _ in range(100):
        try:
            step()
        except TransientError:
            continue
        return
    pytest.fail("the store was never reached")


def test_calls_are_counted_once_although_the_store_denies_what_it_has_done(s3, forgetful):
    place = S3Place(s3.bucket(), "lake/")
    unsure = S3Objects(place, forgetful.access(config_kwargs=ONE_TRY))
    budget = Budget(unsure, Ledger(unsure), Budgets.parse({"daily_usd": 9}))
    for _ in range(12):
        entry = call()
        insisting(lambda entry=entry: budget.begin(entry))
        settled = entry.settled(DONE, cost_usd=CENT / 4)
        insisting(lambda entry=settled: budget.end(entry, CENT))
    assert spent(S3Objects(place, s3.access())) == 12 * CENT / 4


class Unsure(LocalObjects):
    """A folder that denies having written a budget which it has: the next writes of these numbers."""

    denied: frozenset[int] = frozenset()

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        written = super().write_if(path, data, etag)
        if path.startswith("budgets/"):
            denies = 0 in self.denied
            self.denied = frozenset(number - 1 for number in self.denied)
            if denies:
                raise TransientError("The store is busy.")
        return written


def test_after_one_unclear_answer_the_store_is_looked_at_before_the_call_is_given_up(tmp_path):
    objects = Unsure(tmp_path)
    budget = Budget(objects, Ledger(objects), Budgets.parse({"daily_usd": 1}))
    objects.denied = frozenset({0})
    budget.begin(call())
    assert spent(objects) == CENT
    objects.denied = frozenset({0, 1})
    with pytest.raises(TransientError):
        budget.begin(call())


def test_what_another_budget_refuses_is_taken_back_once(tmp_path):
    objects = Unsure(tmp_path)
    limits = Budgets.parse({"daily_usd": 1, "run_usd": 0.01})
    budget = Budget(objects, Ledger(objects), limits)
    budget.begin(call(run="r"))
    refused = call(run="r")
    for denied in (0, 1):  # the day is counted, the run refuses, the day is taken back
        objects.denied = frozenset({denied})
        with pytest.raises(BudgetError, match="run_usd"):
            budget.begin(refused)
        assert spent(objects) == CENT


def test_a_count_of_before_changes_were_remembered_is_read(tmp_path):
    objects = LocalObjects(tmp_path)
    objects.write(DAY, b'{"spent": "0.5", "unbudgeted": "0", "reserved": {}}')
    Budget(objects, Ledger(objects), Budgets.parse({"daily_usd": 1})).begin(call())
    assert spent(objects) == Decimal("0.51")


def test_so_many_changes_are_remembered_and_no_more(tmp_path):
    objects = LocalObjects(tmp_path)
    budget = Budget(objects, Ledger(objects), Budgets.parse({"daily_usd": 1}))
    calls = [call(CENT / 100) for _ in range(70)]
    for each in calls:
        budget.begin(each)
    budget.begin(calls[6])
    assert spent(objects) == 70 * CENT / 100
    assert len(json.loads(objects.read(DAY).data)["done"]) == 64


def test_an_answer_that_was_paid_for_is_not_lost_because_its_budget_cannot_be_written(
    connected, api, tmp_path: Path
):
    platform = connected(RAG_CHAT_MODEL="openai:stand-in-chat")
    objects = Unsure(Path(tmp_path / "lake"))
    account = platform.spending
    budget = Budget(objects, account.ledger, Budgets.parse({"daily_usd": 1}))
    platform.remote.account = replace(account, budget=budget)
    api.control(chat=["Yes."])
    original = account.ledger.write

    def deny_what_comes_after(entry: Entry) -> None:
        original(entry)
        objects.denied = frozenset(range(9)) if entry.status == DONE else frozenset()

    account.ledger.write = deny_what_comes_after  # type: ignore[method-assign]
    asked = ChatRequest([Message("user", "one two three")])
    assert platform.chat_model.complete(asked).text == "Yes."
    (entry,) = account.ledger.entries(today_utc())
    assert entry.status == DONE
