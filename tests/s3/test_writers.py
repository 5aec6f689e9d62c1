"""Several writers on one lake in a bucket, with SIGKILL and 503s, and a reader that must not notice."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.faults import roles
from tests.faults.corpus import Corpus
from tests.faults.lakes import BATCH_TEXTS, ended, kill
from tests.faults.paying import paid, vectors_of
from tests.s3.scenes import BucketScene
from tests.s3.stores import Store, served

PROXY = "tests.s3.bad_proxy"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, s3: Store) -> Iterator[BucketScene]:
    """240 chunks in a bucket, of which a sync has to embed 60."""
    root = tmp_path_factory.mktemp("bucket")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAG_ENV_FILE", "")
        corpus = Corpus(root / "inbox", 40, 6)
        yield BucketScene(root, corpus, store=s3, bucket=s3.bucket()).build()


@pytest.fixture(scope="module")
def busy(s3: Store) -> Iterator[Store]:
    """A store that answers 3 % of requests with 503, half of them after having done what it was asked."""
    with served(PROXY, s3.endpoint, "both", "0.03") as store:
        yield store


def test_four_syncs_at_once_with_503s_and_a_kill_lose_nothing_and_store_nothing_twice(
    scene: BucketScene, busy: Store
):
    lake, chance = scene.clone(), random.Random(3)
    with scene.watched(lake) as report, scene.behind(busy):
        running = [scene.start(roles.sync, lake, request_seconds=0.3) for _ in range(4)]
        time.sleep(chance.uniform(0.3, 0.8) * scene.wall_seconds)
        kill(running.pop(0), 0.0)
        running.append(scene.start(roles.sync, lake))
        statuses = [ended(each) for each in running]
    assert statuses == [0, 0, 0, 0], scene.output(lake)
    assert scene.differences(lake) == []
    assert report["wrong"] == []
    assert scene.overpaid(lake) <= BATCH_TEXTS


@pytest.mark.faults
def test_four_processes_that_write_the_cache_through_503s_store_every_text_once(
    scene: BucketScene, busy: Store
):
    lake = scene.lake("cache")
    texts = [f"text {number}" for number in range(80)]
    with scene.behind(busy):
        running = []
        for number in range(4):
            mine = random.Random(number).sample(texts, 50)
            running.append(scene.start(roles.write_cache, lake, extra={"texts": mine}))
        time.sleep(1.0)
        kill(running[0], 0.0)
        statuses = [ended(each) for each in running[1:]]
    assert statuses == [0] * 3, scene.output(lake)
    done = {text for number in range(1, 4) for text in random.Random(number).sample(texts, 50)}
    cache = scene.platform(lake).cache
    hashes = list(paid(scene.child(lake).register))
    found, vectors = cache.get(hashes)
    assert len(found) == len(set(found)) <= cache.count()
    cache.optimize(timedelta(days=1))
    assert cache.count() == len(found), "of rows that two wrote at once one stays"
    assert set(map(bytes, vectors_of(sorted(done), 32))) <= set(map(bytes, vectors))


COUNTS = 15


def test_processes_that_count_together_through_503s_lose_no_count(scene: BucketScene, busy: Store):
    lake = scene.lake("count")
    with scene.behind(busy):
        running = [scene.start(count, lake, extra={"times": COUNTS}) for _ in range(4)]
        assert [ended(each) for each in running] == [0] * 4, scene.output(lake)
    found = scene.platform(lake).lake.objects.read("count")
    assert found is not None
    assert int(found.data) == 4 * COUNTS


def count(child: roles.Child) -> None:
    """Adds one to the object `count`, so many times."""
    import os

    from include.errors import CommitConflictError

    objects = child.begin().lake.objects
    done = 0
    while done < child.extra["times"]:
        found = objects.read("count")
        value = str(int(found.data) + 1 if found else 1).encode()
        try:
            objects.write_if("count", value, found.etag if found else None)
            done += 1
        except CommitConflictError:
            pass
    os._exit(0)
