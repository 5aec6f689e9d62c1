"""What callbacks are told of the ledger: a task with all of its tries, its run, the day."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from include.orchestration.callbacks import TaskKey, Usage
from include.orchestration.spent import LedgerSpending
from include.settings import REPOSITORY, Budgets
from include.spending.caller import Caller
from include.spending.entries import CACHED, DONE, RESERVED, Entry, Purpose, new_call_id
from include.spending.ledger import Ledger
from include.spending.prices import Tokens
from include.storage.objects import LocalObjects

NOW = datetime.now(UTC)
KEY = TaskKey("d", "d/r", "embed", 3)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(LocalObjects(tmp_path))


def call(ledger, *, status=DONE, at=NOW, cost="0.5", **caller):
    """Writes a call of the task above, but for what is named."""
    who = Caller(**{"dag": "d", "run": "d/r", "task": "embed", "map_index": 3} | caller)
    purpose = Purpose("embed", "openai", "m")
    ledger.write(Entry(new_call_id(at), at, purpose, who, status, Tokens(10, 2, 1), Decimal(cost)))


def test_a_task_has_the_calls_of_all_its_tries_and_of_nobody_else(ledger):
    call(ledger, try_number=1, status=RESERVED)  # in flight when its process was killed
    call(ledger, try_number=2)
    call(ledger, try_number=2, status=CACHED, cost="0")
    for other in ({"map_index": 4}, {"task": "publish"}, {"run": "d/r2"}, {"run": "d2/r"}):
        call(ledger, **other)
    spending = LedgerSpending(ledger, Budgets())
    assert spending.of_task(KEY) == Usage(2, 20, 4, 2, Decimal(1))
    assert spending.of_run("d/r") == Decimal(2)
    assert spending.today() == Decimal(3)


def test_a_run_over_midnight_is_one_run(ledger):
    call(ledger, at=NOW - timedelta(days=1))
    call(ledger)
    assert LedgerSpending(ledger, Budgets()).of_run("d/r") == Decimal(1)


@pytest.mark.parametrize("run", ["d/r", "ü/„r“", 'd/"r"', "d/r\\n", "", "d/manual__2026+00:00"])
def test_the_calls_of_a_run_are_those_that_say_so(ledger, run):
    for each in (run, run + "2", "other/" + run, "x"):
        call(ledger, run=each)
    every = [each for each in ledger.entries(NOW.date()) if each.caller.run == run]
    assert len(every) == 1
    assert list(ledger.entries(NOW.date(), run=run)) == every


def test_a_task_that_called_no_model_opens_no_ledger(tmp_path):
    """The sign of it is a module that every payment loads, and nothing else does."""
    code = (
        "import sys; import include.orchestration.defaults, include.orchestration.ingesting\n"
        "from include.orchestration import callbacks\n"
        "class Task: try_number = 1\n"
        "assert not callbacks._may_have_paid({'ti': Task})\n"
        "from include.settings import Settings; from include.wiring import Platform\n"
        f"lake = {{'RAG_LAKE_URI': {(tmp_path / 'lake').as_uri()!r}}}\n"
        "Platform(Settings.from_environment(lake)).spending\n"
        "assert callbacks._may_have_paid({'ti': Task})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)
