"""SIGKILL at the worst moments of a sync, while a reader reads. `make test-faults` has the rest."""

from __future__ import annotations

import random
import secrets

import pytest

from tests.faults import roles
from tests.faults.lakes import Scene
from tests.faults.trials import (
    Place,
    killed_after,
    killed_at,
    somewhere,
    taken_back_after,
    taken_back_at,
)

AIMED: list[Place] = [
    ("embed", "before", 1),
    ("one request", "after", 2),
    ("cache write", "after", 2),
    ("publish commit", "before", 1),
    ("publish commit", "after", 1),
    ("manifest", "after", 1),
]


@pytest.mark.parametrize("place", AIMED, ids=lambda place: f"{place[1]} {place[0]}")
def test_a_killed_run_is_completed_by_the_next(small: Scene, place: Place):
    outcome = killed_at(small, place)
    assert outcome.kills == 1
    outcome.require_promises()


@pytest.mark.parametrize("place", ["cache write", "publish commit", "manifest"])
def test_a_commit_that_is_cut_short_is_as_if_it_had_never_begun_or_had_ended(
    small: Scene, place: str
):
    chance = random.Random(seed := secrets.randbelow(10**6))
    killed = killed_at(small, where := somewhere(small, chance, place))
    print(f"seed {seed}: {where}")
    killed.require_promises()


def test_killed_at_random_moments_a_run_converges(small: Scene):
    chance = random.Random(seed := secrets.randbelow(10**6))
    for _ in range(4):
        moment = chance.uniform(0.0, small.wall_seconds)
        print(f"seed {seed}: after {moment:.3f} s")
        killed_after(small, [moment]).require_promises()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_edits_taken_back_after_a_kill_are_taken_back_in_the_index(small: Scene, moment: str):
    outcome = taken_back_at(small, ("publish commit", moment, 1))
    assert outcome.kills == 1
    outcome.require_promises()


def test_a_source_that_goes_back_after_a_kill_at_a_random_moment_is_followed(small: Scene):
    chance = random.Random(seed := secrets.randbelow(10**6))
    moment = chance.uniform(0.5, 1.0) * small.wall_seconds
    print(f"seed {seed}: after {moment:.3f} s")
    taken_back_after(small, [moment]).require_promises()


def test_maintenance_that_is_killed_harms_nothing(small: Scene):
    outcome = killed_at(small, ("table upkeep", "after", 2), roles.maintain)
    assert outcome.kills == 1
    outcome.require_promises()
