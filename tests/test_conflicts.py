"""Conflicts between writers: real ones of LanceDB, and what is tried again."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pytest

from include.errors import CommitConflictError, LakeError
from include.storage.conflicts import persistently
from include.storage.lance import KeyedTable, LanceDatabase

SCHEMA = pa.schema(
    [pa.field("id", pa.string(), nullable=False), pa.field("n", pa.int64(), nullable=False)]
)


@pytest.fixture
def fragmented(tmp_path: Path) -> KeyedTable:
    table = LanceDatabase(str(tmp_path)).table("t", SCHEMA, "id")
    write(table, "first")
    return table


def write(table: KeyedTable, name: str) -> None:
    """160 rows in eight files."""
    for part in range(8):
        rows = {"id": [f"{name}-{part}-{n}" for n in range(20)], "n": list(range(20))}
        table.upsert(pa.table(rows, schema=SCHEMA))


def compacted_at_once(table: KeyedTable, compact) -> list[Exception]:
    met: list[Exception] = []

    def one() -> None:
        try:
            compact(table)
        except Exception as error:
            met.append(error)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return met


def test_compactions_at_once_conflict_and_lose_nothing(fragmented: KeyedTable):
    met, rounds = [], 0
    while not met and rounds < 20:
        rounds += 1
        write(fragmented, str(rounds))
        met = compacted_at_once(fragmented, KeyedTable.optimize)
    assert {type(error) for error in met} == {CommitConflictError}
    assert "'t'" in str(met[0])
    assert fragmented.read()["id"].n_unique() == fragmented.count() == 160 * (1 + rounds)


def test_tried_again_all_of_them_end_well(fragmented: KeyedTable):
    assert compacted_at_once(fragmented, lambda t: persistently(t.optimize)) == []
    assert fragmented.count() == 160


def test_only_a_conflict_is_tried_again():
    calls: list[int] = []

    def damaged() -> None:
        calls.append(1)
        raise LakeError("damaged")

    with pytest.raises(LakeError):
        persistently(damaged)
    assert len(calls) == 1


def test_a_conflict_is_tried_again_from_the_start_and_not_for_ever(monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr("include.storage.conflicts.time.sleep", pauses.append)
    calls: list[int] = []

    def lost(times: int) -> int:
        calls.append(1)
        if len(calls) <= times:
            raise CommitConflictError("somebody else")
        return len(calls)

    assert persistently(lambda: lost(2)) == 3
    calls.clear()
    with pytest.raises(CommitConflictError):
        persistently(lambda: lost(100))
    assert len(calls) == 8
    longest = [0.2 * 2**attempt for attempt in (0, 1, *range(7))]
    assert all(0 <= pause <= most for pause, most in zip(pauses, longest, strict=True))
    assert len(set(pauses)) == len(pauses)  # drawn, so that two writers do not keep in step
