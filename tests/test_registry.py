"""Which index is live: one switch, one way back, and no lost change."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import CommitConflictError, ConfigurationError, LakeError
from include.storage.index_entries import Entries, Index
from include.storage.memory import MemoryObjects
from include.storage.objects import Stored
from include.storage.registry import Registry

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def registry(*candidates: str) -> Registry:
    made = Registry(MemoryObjects())
    for name in candidates:
        made.add(Index(name, state="candidate"))
    return made


def states(made: Registry) -> dict[str, str]:
    return {index.name: index.state for index in made.indexes()}


def test_an_empty_lake_has_no_index_and_no_sync():
    made = registry()
    assert (made.live(), made.last_sync(), list(made.indexes())) == (None, None, [])


def test_everything_about_an_index_is_kept():
    index = Index(
        "minilm_1a2b",
        state="candidate",
        embedder="all-minilm-l6-v2-fp32-384-1a2b3c4d",
        chunker="structure-256",
        dimensions=384,
        run_id="cli-1",
        created_at=NOW.isoformat(),
        documents=3,
        chunks=12,
        evaluation={"ndcg@10": 0.9},
    )
    made = registry()
    made.add(index)
    assert made.get("minilm_1a2b") == index


def test_adding_a_known_index_changes_nothing():
    made = registry("a")
    made.promote("a")
    made.add(Index("a", chunks=5))
    assert made.get("a") == Index("a", state="live")


def test_promotion_keeps_the_old_index_for_a_rollback_and_retires_the_one_before():
    made = registry("a", "b", "c")
    for name in "abc":
        made.promote(name)
    assert states(made) == {"a": "retired", "b": "previous", "c": "live"}


def test_a_rollback_swaps_live_and_previous_and_can_itself_be_undone():
    made = registry("a", "b")
    made.promote("a")
    made.promote("b")
    made.rollback()
    assert states(made) == {"a": "live", "b": "previous"}
    made.rollback()
    assert states(made) == {"a": "previous", "b": "live"}


def test_promoting_the_live_index_changes_nothing():
    made = registry("a", "b")
    made.promote("a")
    made.promote("b")
    made.promote("b")
    assert states(made) == {"a": "previous", "b": "live"}


@pytest.mark.parametrize("state", ["building", "retired"])
def test_an_index_that_may_lack_rows_does_not_become_live(state):
    made = registry()
    made.add(Index("a", state=state))
    with pytest.raises(ConfigurationError, match=state):
        made.promote("a")


def test_an_unknown_index_is_named_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="no index 'x'; there are: a, b"):
        registry("b", "a").promote("x")
    with pytest.raises(ConfigurationError, match="none"):
        registry().update("x", chunks=1)


def test_a_rollback_without_a_previous_index_is_refused():
    made = registry("a")
    made.promote("a")
    with pytest.raises(ConfigurationError, match="no previous"):
        made.rollback()
    assert states(made) == {"a": "live"}


def test_facts_are_updated_but_names_and_liveness_are_not():
    made = registry("a")
    made.promote("a")
    made.update("a", chunks=7, evaluation={"mrr@10": 0.5})
    assert (made.get("a").chunks, made.get("a").evaluation) == (7, {"mrr@10": 0.5})
    for facts in ({"name": "b"}, {"state": "retired"}):
        with pytest.raises(ValueError, match="promote"):
            made.update("a", **facts)
    assert states(made) == {"a": "live"}


def test_a_sync_registers_its_index_makes_it_live_and_is_remembered():
    made = registry()
    made.record_sync("a", "run-1", NOW, documents=2, chunks=5)
    live = made.live()
    assert (live.name, live.run_id, live.chunks) == ("a", "run-1", 5)
    assert live.created_at == "2026-11-21T12:00:00+00:00"
    assert made.last_sync() == {
        "run_id": "run-1",
        "index": "a",
        "finished_at": "2026-11-21T12:00:00+00:00",
    }


def test_a_later_sync_of_the_same_index_keeps_what_made_it():
    made = registry()
    made.record_sync("a", "run-1", NOW)
    made.record_sync("a", "run-2", NOW, chunks=6)
    assert (made.get("a").run_id, made.get("a").chunks) == ("run-1", 6)
    assert made.last_sync()["run_id"] == "run-2"


def test_a_sync_into_another_index_switches_to_it():
    made = registry()
    made.record_sync("a", "run-1", NOW)
    made.record_sync("b", "run-2", NOW)
    assert states(made) == {"a": "previous", "b": "live"}


class Contended(MemoryObjects):
    """Another writer gets in between `times` times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        if self.times:
            self.times -= 1
            raise CommitConflictError("another writer came first")
        return super().write_if(path, data, etag)


def test_a_lost_race_is_run_again_on_the_newer_state():
    made = Registry(Contended(times=5))
    made.add(Index("a"))
    assert states(made) == {"a": "building"}


def test_a_race_lost_for_ever_can_be_tried_again_later():
    with pytest.raises(CommitConflictError):
        Registry(Contended(times=1_000)).add(Index("a"))


def test_changes_made_at_once_all_survive():
    objects = MemoryObjects()
    threads = [
        Thread(target=Registry(objects).add, args=(Index(f"index-{number}"),))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Registry(objects).indexes()) == 8


class ReadOnly(MemoryObjects):
    """Fails on every write."""

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        raise AssertionError("nothing should be written")


def test_a_change_that_changes_nothing_writes_nothing():
    Registry(ReadOnly()).change(lambda entries: entries)


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b'{"indexes": [{"nom": "a"}]}', b"\xff"])
def test_a_damaged_registry_says_so_and_is_left_alone(damage):
    objects = MemoryObjects()
    objects.write("registry.json", damage)
    with pytest.raises(LakeError, match="backup"):
        Registry(objects).add(Index("a"))
    assert objects.read("registry.json") == Stored(damage, "1")


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "rollback"]), max_size=20))
def test_after_any_history_one_index_is_live_and_at_most_one_previous(history):
    made = registry("a", "b", "c", "d")
    made.promote("a")
    for step in history:
        try:
            made.rollback() if step == "rollback" else made.promote(step)
        except ConfigurationError:
            continue
        found = list(states(made).values())
        assert found.count("live") == 1
        assert found.count("previous") <= 1
        if step != "rollback":
            assert made.live().name == step


def test_entries_are_values():
    before = Entries()
    after = before.put(Index("a"))
    assert before.indexes == {}
    assert set(after.indexes) == {"a"}
