"""A re-embedding in daily partitions, in any order, by several processes that are killed."""

from __future__ import annotations

import os
import random
import secrets
from datetime import UTC, date, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import polars as pl
import pytest

from include.indexes import of_values
from include.stages.coverage import coverage
from tests.faults import roles
from tests.faults.lakes import BATCH_TEXTS, Scene, ended, kill
from tests.faults.paying import paid

TARGET = {"RAG_EMBEDDER": "fake:48"}
FIRST = date(2026, 1, 1)
SEED = int(os.environ.get("FAULTS_SEED") or secrets.randbelow(10**6))


def over_days(scene: Scene, days: int) -> Path:
    """A lake whose documents were first ingested over so many days."""
    tables = scene.platform(lake := scene.clone()).tables
    rows = tables.documents.read().sort("id").with_row_index()
    midnight = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    moments = [midnight + timedelta(days=at % days, hours=at % 24) for at in range(rows.height)]
    kept = rows["first_ingested"].dtype
    changed = rows.drop("index").with_columns(first_ingested=pl.Series(moments).cast(kept))
    tables.documents.upsert(changed.to_arrow())
    return lake


def filled(scene: Scene, lake: Path, *, days: int, kills: int, at_once: int) -> int:
    """Fills day by day in random order until all are done; how many processes were killed."""
    chance, killed = random.Random(SEED), 0
    waiting = [str(FIRST + timedelta(days=number)) for number in range(days)]
    chance.shuffle(waiting)
    while waiting:
        some, waiting = waiting[:at_once], waiting[at_once:]
        running = [(day, _started(scene, lake, day)) for day in some]
        for day, process in running:
            doomed = killed < kills and chance.random() < 0.6
            if doomed and kill(process, chance.uniform(0.05, 0.8)):
                killed += 1
                waiting.append(day)
            else:
                assert ended(process) == 0, scene.output(lake)
    return killed


def _started(scene: Scene, lake: Path, day: str) -> ForkServerProcess:
    extra = {"target": TARGET, "days": (day, day)}
    return scene.start(roles.reembed, lake, extra=extra, request_seconds=0.3)


def require_filled(scene: Scene, lake: Path, killed: int) -> None:
    platform = scene.platform(lake)
    other = of_values(platform, TARGET)
    assert platform.registry.get(other.index_name).state == "candidate", SEED
    assert coverage(platform.tables, platform.store, other.index_name).complete, SEED
    texts = platform.database.open(f"chunks_{other.index_name}").to_arrow()["text_hash"]
    counts = paid(scene.child(lake).register)
    assert set(counts) == set(texts.to_pylist()), SEED
    assert sum(counts.values()) - len(counts) <= killed * BATCH_TEXTS, SEED
    print(f"seed {SEED}: {killed} kills, {sum(counts.values()) - len(counts)} texts paid twice")


def test_a_fill_of_several_days_with_a_kill_is_completed(small: Scene):
    lake = over_days(small, 3)
    days = {"target": TARGET, "days": (str(FIRST), str(FIRST))}
    process = small.start(roles.reembed, lake, kill=("cache write", "after", 1), extra=days)
    assert ended(process) == -9
    killed = 1 + filled(small, lake, days=3, kills=0, at_once=2)
    require_filled(small, lake, killed)


@pytest.mark.faults
def test_30_days_filled_in_random_order_with_10_kills_are_complete_and_paid_once(small: Scene):
    lake = over_days(small, 30)
    killed = filled(small, lake, days=30, kills=10, at_once=3)
    assert killed == 10, SEED
    require_filled(small, lake, killed)
