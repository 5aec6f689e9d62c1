"""Above `approval_usd` no model is asked to describe anything until somebody says so."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from include.commands.enrich import enrich, plan_only, shown
from include.commands.ingest import sync
from include.commands.main import main
from include.errors import ApprovalError
from tests.enrichment.test_enrich import CHAT, said

DEAR = {"AIRFLOW_VAR_RAG_BUDGETS": json.dumps({"approval_usd": "0.0000001"})}


@pytest.fixture
def at(connected, inbox):
    (inbox / "retry.txt").write_text("Retries failing calls with a growing delay. Nothing else.\n")
    (inbox / "pause.txt").write_text("Pauses between calls. " + "Hard 1,2;3: words! " * 2_000)
    platform = lambda **changed: connected(**(CHAT | changed))  # noqa: E731
    sync(platform())
    return platform


def test_the_estimate_is_never_below_what_the_replies_cost(at, api):
    api.control(chat=["no json"] * 4)
    found = plan_only(at(), most=10)
    assert (found["texts"], found["calls"]) == (2, 4)
    assert found["needs_approval"] is False
    assert api.rows() == []
    enrich(at(), most=10)
    assert len(api.rows()) == 4
    paid = sum(row["input_tokens"] for row in api.rows())
    assert paid <= found["input_tokens"]
    assert at().spending.spent_today() <= Decimal(found["estimated_cost_usd"])


def test_the_estimate_counts_no_text_that_is_described_or_beyond_the_most(at, api):
    api.control(chat=[said()] * 2)
    assert plan_only(at(), most=1)["texts"] == 1
    enrich(at(), most=1)
    assert plan_only(at(), most=10)["texts"] == 1
    assert plan_only(at(), most=10, again=True)["texts"] == 1
    enrich(at(), most=10)
    found = plan_only(at(**DEAR), most=10)
    assert (found["texts"], found["estimated_cost_usd"], found["needs_approval"]) == (0, "0", False)


def test_above_approval_usd_nothing_is_asked_until_somebody_says_so(at, api):
    api.control(chat=[said()] * 2)
    found = plan_only(at(**DEAR), most=10)
    cost = found["estimated_cost_usd"]
    assert found["needs_approval"] is True
    assert f"`enrich` --approve-usd {cost}" in shown(found)
    with pytest.raises(ApprovalError, match=f"up to {cost} USD.*--approve-usd {cost}"):
        enrich(at(**DEAR), most=10)
    assert api.rows() == []
    assert at().tables.enrichments.count() == 0
    approved = at(**DEAR)
    budgets = approved.settings.budgets.approving(Decimal(cost))
    approved.settings = replace(approved.settings, budgets=budgets)
    assert enrich(approved, most=10)[0]["accepted"] == 2


def test_the_command_line_plans_stops_and_takes_an_approval(
    at, api, environment, monkeypatch, capsys
):
    api.control(chat=[said()] * 2)
    for name, value in (environment | CHAT | api.environment() | DEAR).items():
        monkeypatch.setenv(name, value)
    assert main(["enrich", "--plan", "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)["estimated_cost_usd"]
    assert main(["enrich"]) == 1
    assert f"--approve-usd {cost}" in capsys.readouterr().err
    assert api.rows() == []
    assert main(["enrich", "--approve-usd", cost]) == 0
    assert len(api.rows()) == 2


def test_without_models_there_is_nothing_to_plan(at):
    assert "RAG_ENRICH_MODELS" in shown(plan_only(at(RAG_ENRICH_MODELS="none"), most=10))
