"""The ledger against a server's meter, while workers are killed: `python -m tests.faults.ledger_kills`.

Workers call embeddings and chat of a stand-in API that refuses, hangs and cuts connections after
charging. A killed worker is replaced by a new one. At the end every charge must be in the ledger.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing.process import BaseProcess
from pathlib import Path

from include.settings import Settings
from include.spending.entries import REFUSED, RESERVED, UNKNOWN, Entry
from include.spending.ledger import Ledger, today_utc, total
from include.spending.prices import Prices, Tokens
from include.storage.objects import LocalObjects
from include.wiring import Platform
from tests.faults.ledger_worker import work
from tests.standin.running import Running, standing_in

FAULTS = {"429": 0.1, "500": 0.08, "cut": 0.05, "slow": 0.03, "too few": 0.02, "no usage": 0.02}


@dataclass(frozen=True)
class Trial:
    """How hard it gets. It lasts until so many `calls` were made, on a busy machine up to a minute longer."""

    workers: int = 8
    seconds: float = 60.0
    kills: int = 60
    seed: int = 1
    budgets: str = "{}"
    calls: int = 0


@dataclass(frozen=True)
class Outcome:
    """Both sides, by call id."""

    ledger: dict[str, Entry]
    meter: dict[str, dict]
    kills: int
    prices: Prices

    @property
    def missing(self) -> list[str]:
        """Charged calls that the ledger does not have."""
        return [name for name in self.meter if name not in self.ledger]

    @property
    def refused_but_charged(self) -> list[str]:
        """Calls that the ledger takes for free, and the meter does not."""
        return [name for name in self.meter if self.ledger[name].status == REFUSED]

    @property
    def in_flight(self) -> list[str]:
        """Calls that nobody settled: those of killed workers."""
        return [name for name, entry in self.ledger.items() if entry.status == RESERVED]

    def ledger_cost(self) -> Decimal:
        """What settled and charged calls cost by the ledger."""
        return total(self.ledger[name] for name in self._settled())

    def meter_cost(self) -> Decimal:
        """The same calls, from the meter's tokens."""
        return sum((self._metered(name) for name in self._settled()), Decimal(0))

    def different(self) -> list[str]:
        """Settled calls whose cost is not the meter's."""
        return [n for n in self._settled() if self.ledger[n].cost_usd != self._metered(n)]

    def _settled(self) -> list[str]:
        # A chat without its usage counts as the longest answer: that is no figure to compare.
        return [
            name
            for name in self.meter
            if self.ledger[name].status != RESERVED
            and not (
                self.ledger[name].purpose.operation == "chat" and self.ledger[name].tokens.counted
            )
        ]

    def _metered(self, name: str) -> Decimal:
        row, entry = self.meter[name], self.ledger[name]
        tokens = Tokens(row["input_tokens"], row["output_tokens"])
        return self.prices.cost("openai", row["model"], tokens, entry.at)


def environment_of(folder: Path, api: Running, trial: Trial) -> dict[str, str]:
    """The settings of the workers."""
    return {
        "RAG_SOURCE_URI": (folder / "inbox").as_uri(),
        "RAG_LAKE_URI": (folder / "lake").as_uri(),
        "RAG_EMBEDDER": "openai:stand-in-embed@32",
        "RAG_CHAT_MODEL": "openai:stand-in-chat",
        "AIRFLOW_VAR_RAG_BUDGETS": trial.budgets,
        **api.environment(timeout=0.4),
    }


def run(folder: Path, trial: Trial) -> Outcome:
    """One trial; every process it started is gone when this returns."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.ledger_worker"])
    draw = random.Random(trial.seed)
    meter = folder / "meter.jsonl"
    with standing_in(meter) as api:
        api.control(chance=FAULTS, seed=trial.seed, seconds=0.01, slow_seconds=0.8,
                    retry_after="0.01")  # fmt: skip
        environment = environment_of(folder, api, trial)
        Platform(Settings.from_environment(environment)).lake  # noqa: B018 - makes the lake
        workers: list[BaseProcess] = []

        def begin(at: int, seed: int) -> None:
            process = context.Process(target=work, args=(environment, seed), daemon=True)
            process.start()
            workers[at : at + 1] = [process]

        for at in range(trial.workers):
            begin(at, at)
        kills, began = 0, time.monotonic()
        while (passed := time.monotonic() - began) < trial.seconds or (
            passed < 60 and len(api.rows()) < trial.calls
        ):
            if not any(each.is_alive() for each in workers):
                break
            if kills < trial.kills * min(1, passed / trial.seconds):
                at = draw.randrange(trial.workers)
                workers[at].kill()
                workers[at].join()
                kills += 1
                begin(at, 1_000 + kills)
            time.sleep(0.01)
        for each in workers:
            each.kill()
            each.join()
        time.sleep(1.0)  # what was on its way is charged
        charged = {row["id"]: row for row in api.rows(charged=True)}
    entries = Ledger(LocalObjects(folder / "lake")).entries(today_utc())
    prices = Prices.parse(environment["AIRFLOW_VAR_RAG_PRICES"])
    return Outcome({each.id: each for each in entries}, charged, kills + trial.workers, prices)


def main(*numbers: str) -> int:
    """Runs one trial and prints what it found; 1 if a charge is missing or differs."""
    trial = Trial(*map(int, numbers))
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), trial)
    unknown = sum(entry.status == UNKNOWN for entry in found.ledger.values())
    print(
        f"{trial.workers} workers, {found.kills} kills: {len(found.meter)} calls charged, "
        f"{len(found.ledger)} in the ledger; missing {len(found.missing)}, charged but free in the "
        f"ledger {len(found.refused_but_charged)}, in flight when killed {len(found.in_flight)}, "
        f"without an answer {unknown}; cost by the ledger {found.ledger_cost()}, by the meter "
        f"{found.meter_cost()}, {len(found.different())} calls differ."
    )
    return int(bool(found.missing or found.refused_but_charged or found.different()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
