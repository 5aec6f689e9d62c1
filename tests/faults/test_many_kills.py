"""The long part: a hundred kills at random moments, every place, chains of kills. Prints its seed.

`FAULTS_SEED=n make test-faults` repeats a run's choices.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.faults import roles
from tests.faults.lakes import Scene
from tests.faults.trials import (
    Outcome,
    aimed,
    killed_after,
    killed_at,
    taken_back_after,
    taken_back_at,
)

pytestmark = pytest.mark.faults
SEED = int(os.environ.get("FAULTS_SEED") or secrets.randbelow(10**6))
Trial = Callable[[], Outcome]


def test_a_run_killed_at_100_random_moments_converges_each_time(large: Scene):
    chance = random.Random(SEED)
    _report("edited corpus, random moments", _until(100, _random(large, chance)))


def test_a_first_run_killed_at_50_random_moments_converges_each_time(cold: Scene):
    chance = random.Random(SEED + 1)
    _report("cold corpus, random moments", _until(50, _random(cold, chance)))


def test_a_run_killed_before_in_and_after_every_step_converges(large: Scene):
    places = aimed(large, random.Random(SEED + 2))
    _report("edited corpus, every place", (lambda at=at: killed_at(large, at) for at in places))


def test_a_source_that_goes_back_after_a_kill_is_followed(large: Scene):
    chance = random.Random(SEED + 3)
    late = ("publish commit", "index refresh", "manifest", "registry", "mark", "end of mark")
    places = [at for at in aimed(large, chance) if at[0] in late]
    moments = [chance.uniform(0, large.wall_seconds) for _ in range(10)]
    _report("edits taken back, places", (lambda at=at: taken_back_at(large, at) for at in places))
    _report(
        "edits taken back, moments",
        (lambda at=at: taken_back_after(large, [at]) for at in moments),
    )


def test_maintenance_killed_in_the_middle_of_every_table_harms_nothing(large: Scene):
    places = [("table upkeep", 0.001 * (1 + nth % 4), nth) for nth in range(1, 7)]
    _report(
        "maintenance, every table",
        (lambda at=at: killed_at(large, at, roles.maintain) for at in places),
    )


def _random(scene: Scene, chance: random.Random) -> Iterator[Trial]:
    """Trials of one to three kills, at moments that are uniform over an undisturbed run."""
    while True:
        moments = [
            chance.uniform(0, scene.wall_seconds) for _ in range(chance.choice([1, 1, 2, 3]))
        ]
        yield lambda moments=moments: killed_after(scene, moments)


def _until(kills: int, trials: Iterator[Trial]) -> Iterator[Trial]:
    """Trials until so many kills have hit a running process."""
    hits: list[int] = []
    while sum(hits) < kills:
        trial = next(trials)

        def counted(trial: Trial = trial) -> Outcome:
            outcome = trial()
            hits.append(outcome.kills)
            return outcome

        yield counted


def _report(name: str, trials: Iterable[Trial]) -> None:
    outcomes = []
    for number, trial in enumerate(trials, 1):
        outcomes.append(outcome := trial())
        assert outcome.status == 0, f"seed {SEED}, {name}, trial {number}: {outcome.output}"
    broken = [each for each in outcomes if each.differences or each.wrong_reads]
    paid = [each.paid_twice / max(1, each.kills) for each in outcomes]
    print(
        f"\n{name}: seed {SEED}; {len(outcomes)} lakes, {sum(o.kills for o in outcomes)} kills, "
        f"{len(outcomes) - len(broken)} converged; texts paid twice: "
        f"{sum(o.paid_twice for o in outcomes)}, at most {max(paid):.0f} per kill; "
        f"{sum(o.reads for o in outcomes)} reads of the whole index, {4 * sum(o.reads for o in outcomes)} searches, "
        f"{sum(len(o.wrong_reads) for o in outcomes)} wrong"
    )
    for outcome in outcomes:
        outcome.require_promises()
