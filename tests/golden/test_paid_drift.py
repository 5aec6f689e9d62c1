"""Comparing real queries is paid like everything else: once, in the ledger, within the budgets."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from include.commands.ingest import sync
from include.golden.drift import measure
from include.storage.query_log import Outcome, QueryLog

GOLDEN = [f"what is known about number {at}" for at in range(12)]
PRICE = {"stand-in-embed": {"input_per_million_usd": "1000"}}


@pytest.fixture
def at(connected, inbox):
    (inbox / "one.md").write_text("# One\n\nThe only document there is.\n")
    sync(platform := connected())
    log = QueryLog(lambda: platform.lake.objects, "text", clock=lambda: datetime.now(UTC))
    for number in range(30):
        log.note(f"where is order {number}", Outcome("ask", "i", "hybrid", 10, (1.0,), 0.1))
    return connected


def embedded(api) -> int:
    return sum(row["charged"] for row in api.rows() if row["path"].endswith("/embeddings"))


def test_queries_are_paid_for_once(at, api):
    before = embedded(api)
    assert measure(at(), GOLDEN).represents is False
    paid = embedded(api)
    assert paid > before
    assert measure(at(), GOLDEN).represents is False
    assert embedded(api) == paid


@pytest.mark.parametrize("budgets", [{"daily_usd": 0.00001}, {"approval_usd": 0.00001}])
def test_what_may_not_be_paid_is_told_and_fails_nothing(at, api, budgets):
    before = embedded(api)
    poor = at(AIRFLOW_VAR_RAG_PRICES=json.dumps(PRICE), AIRFLOW_VAR_RAG_BUDGETS=json.dumps(budgets))
    found = measure(poor, GOLDEN)
    assert (found.represents, found.compared, embedded(api)) == (None, 0, before)
    assert "was not measured" in found.note
    assert next(iter(budgets)) in found.note
