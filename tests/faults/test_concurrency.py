"""Several processes on one lake at once, and a reader that must not notice."""

from __future__ import annotations

import random
import time
from datetime import timedelta

import pytest

from tests.faults import roles
from tests.faults.lakes import BATCH_TEXTS, Scene, ended, kill
from tests.faults.paying import paid, vectors_of


def test_three_syncs_at_once_all_succeed_and_give_one_index(small: Scene):
    lake = small.clone()
    with small.watched(lake) as report:
        running = [small.start(roles.sync, lake, request_seconds=0.5) for _ in range(2)]
        time.sleep(small.wall_seconds / 2)
        running.append(small.start(roles.sync, lake))
        statuses = [ended(each) for each in running]
    assert statuses == [0, 0, 0], small.output(lake)
    assert small.differences(lake) == []
    assert report["wrong"] == []
    assert small.overpaid(lake) == 0


def test_a_sync_pays_for_nothing_that_a_killed_one_has_paid_for_while_it_waited(small: Scene):
    lake = small.clone()
    first = small.start(roles.sync, lake, request_seconds=0.3)
    while not paid(small.child(lake).register):
        time.sleep(0.01)
    second = small.start(roles.sync, lake)
    assert kill(first, 0.5)
    assert ended(second) == 0, small.output(lake)
    assert small.differences(lake) == []
    assert small.overpaid(lake) <= BATCH_TEXTS


def test_a_sync_during_maintenance_that_keeps_no_old_version_succeeds(small: Scene):
    lake = small.clone()
    with small.watched(lake) as report:
        upkeep = small.start(roles.maintain, lake, extra={"rounds": 20})
        syncing = small.start(roles.sync, lake, request_seconds=0.1)
        statuses = ended(syncing), ended(upkeep)
    assert statuses == (0, 0), small.output(lake)
    assert small.differences(lake) == []
    assert report["wrong"] == []
    assert small.overpaid(lake) == 0


@pytest.mark.faults
@pytest.mark.parametrize("number", range(10))
def test_four_syncs_and_maintenance_at_once_on_an_empty_lake_give_one_index(
    cold: Scene, number: int
):
    lake, chance = cold.clone(), random.Random(number)
    with cold.watched(lake) as report:
        running = [cold.start(roles.sync, lake) for _ in range(3)]
        running.append(cold.start(roles.maintain, lake, extra={"rounds": 15}))
        time.sleep(chance.uniform(0, cold.wall_seconds))
        running.append(cold.start(roles.sync, lake))
        statuses = [ended(each) for each in running]
    assert statuses == [0] * 5, cold.output(lake)
    assert cold.differences(lake) == []
    assert report["wrong"] == []
    assert cold.overpaid(lake) == 0


def test_ten_processes_that_write_the_cache_lose_no_text_and_compaction_leaves_one_row_of_each(
    small: Scene,
):
    lake = small.lake("cache")
    texts = [f"text {number}" for number in range(120)]
    running = []
    for number in range(10):
        mine = random.Random(number).sample(texts, 60)
        running.append(small.start(roles.write_cache, lake, extra={"texts": mine}))
    assert [ended(each) for each in running] == [0] * 10, small.output(lake)
    hashes = list(paid(small.child(lake).register))
    cache = small.platform(lake).cache
    assert cache.missing(hashes) == []
    cache.optimize(timedelta(days=7))
    assert cache.count() == len(hashes)
    found, vectors = cache.get(hashes)
    assert len(found) == len(hashes)
    assert sorted(map(bytes, vectors)) == sorted(map(bytes, vectors_of(texts, 32)))
