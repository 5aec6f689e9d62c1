"""Every charge is in the ledger, whoever dies; and no budget is exceeded."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from include.spending.ledger import total
from tests.faults.ledger_kills import Outcome, Trial, run


def all_is_told(found: Outcome) -> None:
    assert found.meter
    assert found.missing == []
    assert found.refused_but_charged == []
    assert found.different() == []
    assert found.ledger_cost() == found.meter_cost() > 0
    assert len(found.in_flight) <= found.kills


def test_no_charge_is_lost_when_workers_are_killed(tmp_path: Path) -> None:
    found = run(tmp_path, Trial(workers=4, seconds=4, kills=8, calls=80))
    all_is_told(found)
    assert {entry.status for entry in found.ledger.values()} >= {"ok", "refused", "unknown"}


def test_eight_workers_stay_within_a_budget(tmp_path: Path) -> None:
    limit = Decimal("0.0002")
    trial = Trial(workers=8, seconds=30, kills=0, budgets=json.dumps({"daily_usd": str(limit)}))
    found = run(tmp_path, trial)
    charged = sum((found._metered(name) for name in found.meter), Decimal(0))
    # Nobody can say how long an answer that never came was: those count as long as allowed.
    assert charged <= total(found.ledger.values()) <= limit
    assert total(found.ledger.values()) > limit - Decimal("0.00005")


@pytest.mark.faults
def test_no_charge_is_lost_in_a_minute_of_kills(tmp_path: Path) -> None:
    found = run(tmp_path, Trial())
    print(f"{len(found.meter)} charged, {len(found.in_flight)} in flight, {found.kills} kills")
    all_is_told(found)
