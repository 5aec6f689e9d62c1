"""The ledger: nothing is lost, by threads, processes or kills, and nothing counts twice."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from include.errors import CommitConflictError, LakeError
from include.spending.caller import Caller
from include.spending.entries import DONE, RESERVED, Entry, Purpose, new_call_id
from include.spending.ledger import Ledger, total
from include.spending.prices import Tokens
from include.stages.maintain import compact
from include.storage.objects import LocalObjects, ObjectStore
from include.storage.s3_objects import S3Objects
from include.storage.s3_place import S3Place
from include.storage.segments import SEGMENT_LINES
from tests.s3.stores import Store

Opened = Callable[[], ObjectStore]
DAY = datetime(2026, 11, 20, 12, tzinfo=UTC)


def entry(at: datetime = DAY, cost: str = "0.1", run: str = "r", status: str = RESERVED) -> Entry:
    purpose = Purpose("embed", "openai", "m", content="hash")
    tokens = Tokens(10, 2, 1)
    return Entry(new_call_id(at), at, purpose, Caller("d", run), status, tokens, Decimal(cost))


def in_bucket(store: Store, bucket: str) -> ObjectStore:
    return S3Objects(S3Place(bucket, "lake/"), store.access())


@pytest.fixture(params=["folder", "bucket"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens the same store again and again, as each process does."""
    if request.param == "folder":
        return partial(LocalObjects, tmp_path)
    store: Store = request.getfixturevalue("s3")
    return partial(in_bucket, store, store.bucket())


@pytest.fixture
def objects(opened: Opened) -> ObjectStore:
    return opened()


def read(objects: ObjectStore) -> list[Entry]:
    return list(Ledger(objects).entries(DAY.date(), DAY.date()))


def test_what_is_written_is_read_back_to_the_last_digit(objects):
    written = entry(cost="0.000000123456789012345678901")
    Ledger(objects).write(written)
    assert read(objects) == [written]


def test_a_call_counts_once_as_what_became_of_it(objects):
    ledger, begun = Ledger(objects), entry(cost="9")
    ledger.write(begun)
    assert [each.status for each in read(objects)] == [RESERVED]
    settled = begun.settled(DONE, cost_usd=Decimal("0.25"))
    ledger.write(settled)
    assert read(objects) == [settled]
    assert total(read(objects)) == Decimal("0.25")


def test_a_call_over_midnight_counts_on_the_day_it_began(objects):
    ledger = Ledger(objects)
    late = entry(datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC))
    ledger.write(late)
    ledger.write(entry(DAY + timedelta(days=1)))
    ledger.write(late.settled(DONE))
    assert [each.status for each in read(objects)] == [DONE]


def test_threads_of_one_process_lose_nothing(objects):
    ledger = Ledger(objects)

    def work() -> None:
        for _ in range(30):
            ledger.write(entry())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(read(objects)) == 240


def _write_many(opened: Opened, number: int) -> None:
    held = Ledger(opened())
    for _ in range(number):
        held.write(entry())


def test_forked_processes_write_segments_of_their_own(objects, opened):
    ledger = Ledger(objects)
    ledger.write(entry())
    context = multiprocessing.get_context("forkserver")
    others = [context.Process(target=_write_many, args=(opened, 40)) for _ in range(4)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    ledger.segments._process = -1  # what a fork looks like to it
    ledger.write(entry())
    assert len(read(objects)) == 162


def test_segments_stay_small(objects):
    ledger = Ledger(objects)
    for _ in range(SEGMENT_LINES + 1):
        ledger.write(entry())
    assert len(list(objects.list("ledger/"))) == 2


def test_merging_keeps_every_call_and_may_be_repeated_or_interrupted(objects):
    for _ in range(3):
        ledger = Ledger(objects)
        begun = entry()
        ledger.write(begun)
        ledger.write(replace(begun, status=DONE, cost_usd=Decimal(1)))
    before = read(objects)
    kept = {path: objects.read(path) for path in objects.list("ledger/")}
    tomorrow = DAY.date() + timedelta(days=1)
    assert ledger.merge(DAY.date()) == 0
    assert ledger.merge(tomorrow) == 3
    assert len(list(objects.list("ledger/"))) == 1
    assert read(objects) == before
    for path, stored in kept.items():  # as a crash before the deletions leaves it
        assert stored
        objects.write(path, stored.data)
    assert read(objects) == before
    assert ledger.merge(tomorrow) == 4
    assert ledger.merge(tomorrow) == 0
    assert read(objects) == before


def test_a_damaged_line_is_told_and_not_skipped(objects):
    objects.write("ledger/2026-11-20/x-1.jsonl", b"{half\n")
    with pytest.raises(LakeError, match=r"x-1\.jsonl"):
        read(objects)


def test_the_caller_comes_from_airflow():
    context = {
        "AIRFLOW_CTX_DAG_ID": "ingest",
        "AIRFLOW_CTX_DAG_RUN_ID": "manual__1",
        "AIRFLOW_CTX_TASK_ID": "embed",
        "AIRFLOW_CTX_TRY_NUMBER": "2",
    }
    assert Caller.from_environment(context, map_index=3) == Caller(
        "ingest", "ingest/manual__1", "embed", 3, 2
    )
    assert Caller.from_environment({}) == Caller()


def test_maintenance_merges_old_days_only(world):
    platform = world()
    for days in (0, 1, 10):
        for _ in range(2):
            Ledger(platform.lake.objects).write(entry(datetime.now(UTC) - timedelta(days=days)))
    compact(platform.upkeep, older_than=timedelta(days=7))
    assert len(list(platform.lake.objects.list("ledger/"))) == 5
    ledger = Ledger(platform.lake.objects)
    assert len(list(ledger.entries(ledger.days()[0]))) == 6


class Interleaved(LocalObjects):
    """A folder in which somebody does something right after the segments of a day were brought together."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def write(self, path: str, data: bytes) -> str:
        written = super().write(path, data)
        if "/merged-" in path:
            self.meanwhile()
        return written


def test_what_is_written_while_a_day_is_merged_is_not_deleted(tmp_path):
    """A batch that is settled days later, in a segment that was listed already."""
    objects = Interleaved(tmp_path)
    writer, other = Ledger(objects), Ledger(objects)
    calls = [entry() for _ in range(3)]
    writer.write(calls[0])
    other.write(calls[1])
    objects.meanwhile = lambda: writer.write(calls[2])
    other.merge(DAY.date() + timedelta(days=1))
    assert {each.id for each in other.entries(DAY.date(), DAY.date())} == {
        each.id for each in calls
    }
    objects.meanwhile = lambda: None
    other.merge(DAY.date() + timedelta(days=1))
    assert len(list(objects.list("ledger/"))) == 1


class Delaying(LocalObjects):
    """A folder to which its first write can come once more, late, as a network may bring it."""

    late: Callable[[], object] | None = None

    def write(self, path: str, data: bytes) -> str:
        self.late = self.late or (lambda: LocalObjects.write(self, path, data))
        return super().write(path, data)

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        self.late = self.late or (lambda: LocalObjects.write_if(self, path, data, etag))
        return super().write_if(path, data, etag)


def test_a_write_that_arrives_again_and_late_takes_no_call_away(tmp_path):
    objects = Delaying(tmp_path)
    ledger, calls = Ledger(objects), [entry() for _ in range(3)]
    for each in calls:
        ledger.write(each)
    assert objects.late is not None
    with suppress(CommitConflictError):
        objects.late()
    assert {each.id for each in read(objects)} == {each.id for each in calls}
