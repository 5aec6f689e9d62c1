"""An embedder that fails after it was paid: nothing of it is stored, nothing before it is lost."""

from __future__ import annotations

import time

import pytest

from tests.faults import roles
from tests.faults.lakes import BATCH_TEXTS, Scene, ended, kill
from tests.faults.paying import paid

SENTENCES = {
    "refused": "TransientError: 429: too many requests.",
    "too few": "should return finite vectors of shape (64, 32), returned shape (63, 32)",
    "NaN": "returned shape (64, 32) with 1 values that are NaN or infinite",
    "wrong dimension": "should return finite vectors of shape (64, 32), returned shape (64, 31)",
}


@pytest.mark.parametrize(
    "failure",
    [
        "refused",
        "NaN",
        pytest.param("too few", marks=pytest.mark.faults),
        pytest.param("wrong dimension", marks=pytest.mark.faults),
    ],
)
def test_a_failed_request_ends_the_run_with_a_sentence_and_costs_one_batch(
    small: Scene, failure: str
):
    lake = small.clone()
    assert small.run(roles.sync, lake, failure=failure, fail_at=2) == 1
    assert SENTENCES[failure] in small.output(lake)
    assert "Traceback" not in small.output(lake)
    assert len(paid(small.child(lake).register)) == 2 * BATCH_TEXTS
    assert small.run(roles.sync, lake) == 0
    assert small.differences(lake) == []
    assert small.overpaid(lake) == BATCH_TEXTS


def test_a_request_that_never_returns_can_be_killed_and_costs_one_batch(small: Scene):
    lake = small.clone()
    hanging = small.start(roles.sync, lake, failure="hang", fail_at=2)
    register = small.child(lake).register
    while len(paid(register)) < 2 * BATCH_TEXTS:
        time.sleep(0.02)
    assert kill(hanging, 0.1)
    assert ended(small.start(roles.sync, lake)) == 0
    assert small.differences(lake) == []
    assert small.overpaid(lake) == BATCH_TEXTS
