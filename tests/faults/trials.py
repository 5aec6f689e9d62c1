"""A trial: a run is killed, perhaps more than once, and then left alone, while a reader reads."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import places, roles
from tests.faults.lakes import BATCH_TEXTS, Scene, ended, kill

Place = tuple[str, str | float, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial. `kills` of them hit; `paid_twice` counts texts."""

    kills: int
    status: int
    paid_twice: int
    reads: int
    wrong_reads: tuple[str, ...]
    differences: tuple[str, ...]
    output: str = field(repr=False)

    def require_promises(self) -> None:
        """Fails the test unless every promise was kept."""
        assert self.status == 0, self.output
        assert self.differences == ()
        assert self.wrong_reads == ()
        assert self.paid_twice <= self.kills * BATCH_TEXTS
        assert self.reads, "the reader read nothing"


def killed_at(scene: Scene, place: Place, role: Callable[..., None] = roles.sync) -> Outcome:
    """The run dies at a place in the code."""
    return _trial(scene, lambda lake: [scene.run(role, lake, kill=place) == -9])


def killed_after(scene: Scene, moments: Sequence[float], **chosen: Any) -> Outcome:
    """The run, and each repetition of it, is killed after so many seconds."""
    return _trial(
        scene,
        lambda lake: [kill(scene.start(roles.sync, lake, **chosen), each) for each in moments],
    )


def taken_back_after(scene: Scene, moments: Sequence[float]) -> Outcome:
    """Runs are killed after so many seconds, then all edits are taken back before the last one."""
    return _taken_back(
        scene, lambda lake: [kill(scene.start(roles.sync, lake), each) for each in moments]
    )


def taken_back_at(scene: Scene, place: Place) -> Outcome:
    """The run dies at a place in the code, then all edits are taken back."""
    return _taken_back(scene, lambda lake: [scene.run(roles.sync, lake, kill=place) == -9])


def _taken_back(scene: Scene, disturb: Callable[[Path], list[bool]]) -> Outcome:
    source = scene.taken_back()
    try:
        return _trial(scene, disturb, "before", source.__enter__)
    finally:
        source.__exit__(None, None, None)


def somewhere(scene: Scene, chance: random.Random, place: str) -> Place:
    """A random moment inside a random call of this place."""
    calls = scene.seconds[place]
    nth = chance.randrange(len(calls))
    return place, chance.uniform(0, calls[nth]), nth + 1


def aimed(scene: Scene, chance: random.Random) -> list[Place]:
    """Before, after and somewhere inside of every place that an undisturbed run comes by."""
    found: list[Place] = []
    for place in (name for name in places.PLACES if name in scene.seconds):
        calls = len(scene.seconds[place])
        found += [(place, moment, chance.randint(1, calls)) for moment in ("before", "after")]
        found.append(somewhere(scene, chance, place))
    return found


def _trial(
    scene: Scene,
    disturb: Callable[[Path], list[bool]],
    model: str = "fresh",
    before_the_last: Callable[[], None] = lambda: None,
) -> Outcome:
    lake = scene.clone()
    with scene.watched(lake) as report:
        kills = sum(disturb(lake))
        before_the_last()
        status = ended(scene.start(roles.sync, lake))
    differences = scene.differences(lake, model) if status == 0 else ["the last run failed"]
    outcome = Outcome(
        kills=kills,
        status=status,
        paid_twice=scene.overpaid(lake),
        reads=report["reads"],
        wrong_reads=tuple(report["wrong"]),
        differences=(*differences, *_restless(scene, lake)),
        output=scene.output(lake),
    )
    shutil.rmtree(lake)
    return outcome


def _restless(scene: Scene, lake: Path) -> list[str]:
    """What one more run does to a lake in which there is nothing left to do."""
    before = _versions(scene, lake)
    scene.run(roles.sync, lake)
    after = _versions(scene, lake)
    return [f"one more run writes {name}" for name in after if after[name] != before.get(name)]


def _versions(scene: Scene, lake: Path) -> dict[str, int]:
    database = scene.platform(lake).database
    opened = {name: database.open(name) for name in database.names()}
    return {name: table.version for name, table in opened.items() if table is not None}
