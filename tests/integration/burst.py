"""2,000 PUTs in waves, with everything that goes wrong with notifications, and what the index holds then.

Each wave begins while ingestion is at work on the one before; for one of them it is paused. A wave puts
new objects, overwrites and deletes earlier ones, and sends old notifications again, of objects that
are gone by then as well; notifications of 1 % of the objects never come, be it of a PUT, an overwrite
or a deletion.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.integration.cloud import Cloud

WAVES = 6
PAUSED = 3
"""The wave during which ingestion is paused."""


@dataclass
class Burst:
    """The waves against one bucket, and what has become of the objects so far."""

    cloud: Cloud
    puts: int
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    alive: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    done: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("puts", "overwrites", "deletions", "repeated", "lost"), 0
        )
    )

    def wave(self, number: int) -> None:
        """One wave: four fifths of its PUTs are new objects, the others overwrite."""
        share = self.puts // WAVES + (self.puts % WAVES if number == 0 else 0)
        again = self._some(share // 5 if number else 0)
        deleted = self._some(share // 10 if number else 0)
        names = [f"burst-{number}-{each}.md" for each in range(share - len(again))]
        silent = max(1, share // 250)  # of each kind
        self._put(names[silent:], "First", number)
        self._put(again[silent:], "Next", number)
        self._delete(deleted[silent:])
        late = self._some(share // 20) + self.gone[-share // 40 :]
        self.cloud.repeat(self.chance.sample(late, len(late)))
        self.done["repeated"] += len(late)
        self._unheard(names[:silent], again[:silent], deleted[:silent], number)
        self.done["overwrites"] += len(again)
        self.alive = sorted({*self.alive, *names} - {*deleted})
        self.gone += deleted

    def last_unheard(self) -> None:
        """One change of each kind of which nobody ever hears, and no later event wakes anybody."""
        again, deleted = self._some(2)
        self._unheard(["burst-unheard.md"], [again], [deleted], WAVES)

    def _unheard(
        self, new: Sequence[str], again: Sequence[str], deleted: Sequence[str], wave: int
    ) -> None:
        self.cloud.notify(False)
        self._put(new, "Unheard", wave)
        self._put(again, "Unheard next", wave)
        self._delete(deleted)
        self.done["lost"] += len(new) + len(again) + len(deleted)
        self.cloud.notify(True)

    def _some(self, count: int) -> list[str]:
        return self.chance.sample(self.alive, min(count, len(self.alive)))

    def _put(self, names: Sequence[str], edition: str, wave: int) -> None:
        self.cloud.put_all((name, f"{edition} text of {name} in wave {wave}.") for name in names)
        self.done["puts"] += len(names)

    def _delete(self, names: Sequence[str]) -> None:
        for name in names:
            self.cloud.delete(name)
        self.done["deletions"] += len(names)


def texts(cloud: Cloud) -> dict[str, str]:
    """What the bucket holds, by its name."""
    return {name: cloud.text(name) for name in sorted(cloud.names())}


def waves(burst: Burst, pause: Callable[[bool], None], at_work: Callable[[], bool]) -> float:
    """All waves, each while ingestion is at work; returns the seconds in which it was paused."""
    since = 0.0
    for number in range(WAVES):
        if number == PAUSED:
            pause(True)
            since = time.monotonic()
        burst.wave(number)
        if number == PAUSED:
            _until(lambda: burst.cloud.waiting() == 0)  # heard, and nobody ingests
            pause(False)
            since = time.monotonic() - since
        elif number < WAVES - 1:
            _until(at_work)
    return since


def _until(true: Callable[[], bool], seconds: float = 300) -> None:
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.3)
