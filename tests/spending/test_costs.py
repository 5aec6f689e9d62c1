"""`costs` and `reconcile`: sums to the last digit, and differences that are told."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from include.commands.costs import compared, spent
from include.commands.main import main
from include.errors import ConfigurationError
from include.spending.caller import Caller
from include.spending.ledger import today_utc
from include.spending.prices import Prices, Tokens


@pytest.fixture
def used(connected, api):
    """Two calls that were answered, one refused, one lost."""
    platform = connected({"timeout": 0.3})
    platform.caller = Caller("ingest", "ingest/1", "embed", 0, 1)
    api.control(faults=["429", "", "slow"], retry_after="0")
    platform.embedder.embed_query("one two")
    platform.embedder.embed_query("three")
    return platform


def test_costs_are_the_sums_of_the_ledger(used, api):
    report = spent(used, days=1, by="model")
    charged = sum(row["input_tokens"] for row in api.rows(charged=True))
    assert Decimal(report["total_usd"]) == charged * Decimal("0.00000002")
    assert (report["calls"], report["refused"], report["tokens"]) == (4, 1, charged)
    assert Decimal(report["unknown_usd"]) == Decimal("0.00000002")
    (group,) = report["groups"]
    assert (group["model"], group["cost_usd"]) == ("stand-in-embed", report["total_usd"])


@pytest.mark.parametrize(
    ("by", "name"),
    [("dag", "ingest"), ("task", "ingest.embed"), ("day", str(today_utc())), ("document", "-")],
)
def test_costs_are_grouped_by_what_they_were_for(used, by, name):
    assert [each[by] for each in spent(used, days=3, by=by)["groups"]] == [name]


def test_an_export_that_says_the_same_agrees(used, tmp_path, api):
    charged = api.rows(charged=True)
    tokens = sum(row["input_tokens"] for row in charged)
    file = tmp_path / "usage.csv"
    file.write_text(
        f"start_time_iso,model,num_model_requests,input_tokens\n"
        f"{today_utc()}T00:00:00+00:00,stand-in-embed-2026-01-01,{len(charged)},{tokens}\n"
    )
    answer, status = compared(used, file)
    assert (answer["agrees"], status) == (True, 0)
    assert answer["rows"][0]["uncertain"] == 1


@pytest.mark.parametrize("tokens", [5, 1])
def test_an_export_with_more_or_far_less_than_the_ledger_does_not_agree(used, tmp_path, tokens):
    file = tmp_path / "usage.csv"
    file.write_text(f"date,model,input_tokens\n{today_utc()},stand-in-embed,{tokens}\n")
    answer, status = compared(used, file)
    assert (answer["agrees"], status) == (False, 1)
    assert answer["rows"][0]["input_tokens"]["ledger"] == "4"


def test_a_call_that_the_ledger_never_saw_is_found(used, tmp_path):
    file = tmp_path / "usage.csv"
    file.write_text(f"date,model,input_tokens\n{today_utc()},somebody-elses,7\n")
    answer, _ = compared(used, file)
    assert [row["agrees"] for row in answer["rows"] if row["model"] == "somebody-elses"] == [False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a,b\n1,2\n", "column for day"), ("date,model,input_tokens\nx,y,z\n", "Line 2"),
     ("date,model,input_tokens\n2026-01-01\n", "Line 2"),
     ("date,model,input_tokens\n2026-01-01,m,1\n,m,1\n", "Line 3"),
     ("date,model,input_tokens\n2026-01-01,m,nan\n", "Line 2"),
     ("date,model,input_tokens\n2026-01-01,m,-Infinity\n", "Line 2"),
     ("date,model,input_tokens\n2026-01-01,m,1e999999\n", "Line 2"),
     ("date,model,input_tokens\n99999999999,m,1\n", "Line 2"),
     ("date,model,input_tokens\n2026-01-01,\x00,1\n2026-01-01,m,%s\n" % ("1" * 200_000), "usage export"),
     ("date,model,input_tokens\n", "no rows")],
)  # fmt: skip
def test_an_export_that_cannot_be_read_is_told(used, tmp_path, text, expected):
    file = tmp_path / "usage.csv"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=expected):
        compared(used, file)


def test_the_commands_print_the_contract_keys(environment, monkeypatch, capsys):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["costs", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {"total_usd", "calls", "tokens", "groups"} <= set(answer)
    assert (answer["total_usd"], answer["calls"], answer["groups"]) == ("0", 0, [])
    assert main(["costs", "--by", "day"]) == 0
    assert "$0 for 0 calls" in capsys.readouterr().out
    assert main(["costs", "--days", "0"]) == 2
    assert main(["costs", "--days", "1000000000"]) == 2
    assert main(["reconcile", "/nowhere.csv"]) == 2
    assert "/nowhere.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["[]", "x", '{"m": 1}', '{"m": {}}', '{"m": {"input_per_million_usd": "-1"}}',
     '{"m": {"input_per_million_usd": "NaN"}}', '{"m": {"input_per_million_usd": 1, "x": 1}}'],
)  # fmt: skip
def test_absurd_prices_are_refused(text):
    with pytest.raises(ConfigurationError, match="rag_prices"):
        Prices.parse(text)


def test_tokens_the_provider_had_cached_have_their_own_price():
    text = '{"m": {"input_per_million_usd": 2, "cached_input_per_million_usd": 1}}'
    assert Prices.parse(text).cost("openai", "m", Tokens(10, 0, 4), None) == Decimal("0.000016")
