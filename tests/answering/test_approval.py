"""Above `approval_usd` no question of a file is asked until somebody says so."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from include.commands.answers import answer_file, plan_file, shown
from include.commands.ingest import sync
from include.commands.main import main
from include.errors import ApprovalError
from tests.answering.test_batches import CHAT, filled

__all__ = ["filled"]
DEAR = {"AIRFLOW_VAR_RAG_BUDGETS": json.dumps({"approval_usd": "0.0000001"})}


@pytest.fixture
def questions(tmp_path):
    file = tmp_path / "questions.txt"
    file.write_text("What retries calls?\nWhat grows?\n")
    return file


def test_the_estimate_is_never_below_what_the_answers_cost(filled, api, questions, inbox):
    for number in range(9):
        words = " ".join(f"retries{number} grow{word}" for word in range(30))
        (inbox / f"{number}.md").write_text(f"# Retries {number}\n\nRetries that call: {words}.\n")
    sync(filled())
    found, _ = plan_file(filled(), questions, k=3)
    assert (found["questions"], found["to_ask"], found["calls"]) == (2, 2, 2)
    assert (found["output_tokens"], found["needs_approval"]) == (2 * 1_024, False)
    assert api.rows() == []
    done, _ = answer_file(filled(), questions, k=3)
    assert sum(row["input_tokens"] for row in api.rows()) <= found["input_tokens"]
    assert Decimal(0) < Decimal(done["cost_usd"]) <= Decimal(found["estimated_cost_usd"])
    again, _ = plan_file(filled(), questions, k=3)
    assert (again["to_ask"], again["estimated_cost_usd"]) == (0, "0")


def test_above_approval_usd_no_question_is_asked_until_somebody_says_so(filled, api, questions):
    found, _ = plan_file(filled(**DEAR), questions)
    cost = found["estimated_cost_usd"]
    assert found["needs_approval"] is True
    assert f"`answer` --approve-usd {cost}" in shown(found)
    with pytest.raises(ApprovalError, match=f"up to {cost} USD.*--approve-usd {cost}"):
        answer_file(filled(**DEAR), questions)
    assert api.rows() == []
    approved = filled(**DEAR)
    budgets = approved.settings.budgets.approving(Decimal(cost))
    approved.settings = replace(approved.settings, budgets=budgets)
    assert answer_file(approved, questions)[0]["answered"] == 2


def test_the_command_line_plans_stops_and_takes_an_approval(
    filled, api, questions, environment, monkeypatch, capsys
):
    for name, value in (environment | CHAT | api.environment() | DEAR).items():
        monkeypatch.setenv(name, value)
    assert main(["answer", str(questions), "--plan", "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)["estimated_cost_usd"]
    assert main(["answer", str(questions)]) == 1
    assert api.rows() == []
    assert main(["answer", str(questions), "--approve-usd", cost]) == 0
    assert len(api.rows()) == 2


def test_extracts_need_no_approval(filled, questions):
    without = DEAR | {"RAG_CHAT_MODEL": "none"}
    found, _ = plan_file(filled(**without), questions)
    assert (found["calls"], found["needs_approval"]) == (0, False)
    assert answer_file(filled(**without), questions)[0]["answered"] == 2
