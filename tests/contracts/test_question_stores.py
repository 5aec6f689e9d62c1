"""What every memory of answered questions promises, over every adapter; then what it must survive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from include.errors import CommitConflictError, TransientError
from include.llm.question_stores import FOLDER, LakeQuestions, RedisQuestions
from include.llm.questions import (
    MOST_BYTES,
    MOST_QUESTIONS,
    ForgivingQuestions,
    KnownQuestion,
    MemoryQuestions,
    Questions,
    most,
    nearest,
    packed,
    unpacked,
)
from include.llm.responses import Forgiving, RedisResponses
from include.storage.memory import MemoryObjects
from include.storage.objects import LocalObjects
from tests.standin.redis_server import redis_server

NOW = 1_700_000_000.0


class Clock:
    """The time that a test says it is."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        self.now += 1e-3  # nothing happens at the same time
        return self.now


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "lake", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Callable[[], Questions]:
    """Opens one and the same memory, as another process would."""
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        redis.Redis.from_url(url).flushall()
        return lambda: RedisQuestions(url, clock)
    if request.param == "lake":
        return lambda: LakeQuestions(LocalObjects(tmp_path / "lake"), clock)
    held = MemoryQuestions(clock)
    return lambda: held


@pytest.fixture
def questions(opened: Callable[[], Questions]) -> Iterator[Questions]:
    made = opened()
    yield made
    made.close()


def known(text: str, dimensions: int = 4) -> KnownQuestion:
    vector = np.full(dimensions, 0.5, np.float32)
    return KnownQuestion(text, vector, f"trace of {text}")


def texts(questions: Questions, scope: str = "s") -> list[str]:
    return [each.text for each in questions.recent(scope)]


def test_what_was_put_comes_back_whole_the_latest_first(questions):
    vector = np.array([0.1, -2.5, 3e-8], np.float32)
    questions.put("s", KnownQuestion('Why "ü"?\n\x00', vector, "t-1"), 60)
    questions.put("s", known("second"), 60)
    second, first = questions.recent("s")
    assert (first.text, first.trace_id, second.text) == ('Why "ü"?\n\x00', "t-1", "second")
    assert first.vector.dtype == np.float32
    assert first.vector.tolist() == vector.tolist()


def test_scopes_know_nothing_of_each_other(questions):
    questions.put("one", known("a"), 60)
    assert texts(questions, "two") == []
    assert texts(questions, "one") == ["a"]


def test_another_process_sees_it_at_once(opened):
    opened().put("s", known("a"), 60)
    assert texts(opened()) == ["a"]


def test_each_question_expires_by_itself_however_busy_its_scope_is(questions, clock):
    questions.put("s", known("short"), 10)
    questions.put("s", known("long"), 100)
    clock.now += 20
    assert texts(questions) == ["long"]
    questions.put("s", known("new"), 100)
    clock.now -= 20  # what has expired is gone, not hidden
    assert texts(questions) == ["new", "long"]


def test_a_scope_has_the_latest_up_to_so_many_bytes(questions):
    dimensions = MOST_BYTES // 4 // 3
    for name in ("a", "b", "c", "d"):
        questions.put("s", known(name, dimensions), 60)
    assert texts(questions) == ["d", "c"]


@pytest.mark.parametrize(
    ("size", "questions"),
    [(1, MOST_QUESTIONS), (MOST_BYTES // 1_000, MOST_QUESTIONS), (MOST_BYTES // 10, 10)],
)
def test_a_scope_has_at_most_a_thousand_questions_and_at_least_one(size, questions):
    assert most(size) == questions
    assert most(MOST_BYTES * 2) == 1


def test_clearing_forgets_all_scopes_and_says_how_many(questions):
    for scope in ("one", "two"):
        questions.put(scope, known("a"), 60)
        questions.put(scope, known("b"), 60)
    assert questions.clear() == 4
    assert texts(questions, "one") == texts(questions, "two") == []
    assert questions.clear() == 0


def test_of_writers_at_once_none_loses_a_question(opened):
    start = threading.Barrier(4)

    def write(number: int) -> None:
        start.wait()
        opened().put("s", known(str(number)), 60)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert sorted(texts(opened())) == ["0", "1", "2", "3"]


def test_a_damaged_object_of_the_lake_gives_what_is_whole_and_can_be_added_to(tmp_path):
    objects = LocalObjects(tmp_path)
    questions = LakeQuestions(objects)
    questions.put("s", known("a"), 60)
    questions.put("s", known("b"), 60)
    whole = objects.read(f"{FOLDER}/s.bin").data
    for damaged in (whole[:-3], whole + b"\x00\xff", b"nonsense", b"", whole[: len(whole) // 2]):
        objects.write(f"{FOLDER}/s.bin", damaged)
        assert set(texts(questions)) <= {"a", "b"}
        questions.put("s", known("c"), 60)
        assert texts(questions)[0] == "c"


def test_damaged_members_of_redis_are_left_out(redis_url):
    server = redis.Redis.from_url(redis_url)
    server.flushall()
    questions = RedisQuestions(redis_url)
    questions.put("s", known("a"), 60)
    server.zadd("rag:similar:s", {b"nonsense": 9e12, b"": 9e12, b"\xff\xff\xff\xff{": 9e12})
    assert texts(questions) == ["a"]


def test_redis_forgets_a_scope_that_nobody_adds_to(redis_url):
    server = redis.Redis.from_url(redis_url)
    server.flushall()
    RedisQuestions(redis_url).put("s", known("a"), 60)
    assert 0 < server.ttl("rag:similar:s") <= 60


def test_upkeep_deletes_what_has_expired(tmp_path, clock):
    objects = LocalObjects(tmp_path)
    questions = LakeQuestions(objects, clock)
    questions.put("gone", known("a"), 10)
    questions.put("half", known("a"), 10)
    questions.put("half", known("b"), 1_000)
    clock.now += 100
    questions.optimize(timedelta(days=7))
    assert list(objects.list()) == [f"{FOLDER}/half.bin"]
    clock.now -= 100
    assert texts(questions, "half") == ["b"]


class Contested(MemoryObjects):
    """Objects that somebody else changes before every write."""

    def write_if(self, path: str, data: bytes, etag: str | None) -> str:
        self.write(path, b"")
        return super().write_if(path, data, etag)


def test_whoever_fails_is_told_of_and_changes_nothing(caplog, redis_url):
    crowded = LakeQuestions(Contested())
    with pytest.raises(CommitConflictError):
        crowded.put("s", known("a"), 60)
    server = redis.Redis.from_url(redis_url)
    server.set("rag:similar:taken", "by another program")
    nobody = RedisQuestions("redis://127.0.0.1:9/0")
    for broken in (crowded, RedisQuestions(redis_url), nobody):
        forgiving = ForgivingQuestions(broken)
        forgiving.put("taken", known("a"), 60)
        assert forgiving.recent("taken") == []
        forgiving.close()
    server.close()
    assert caplog.text.count("answering without it") == 5
    with pytest.raises(TransientError, match=r"forget questions.*RAG_REDIS_URL"):
        ForgivingQuestions(nobody).clear()
    with pytest.raises(TransientError, match=r"forget answers.*RAG_REDIS_URL"):
        Forgiving(RedisResponses("redis://127.0.0.1:9/0")).clear()


@given(st.binary(max_size=80))
def test_any_bytes_are_a_question_or_none(raw):
    found = unpacked(raw)
    assert found is None or packed(found) is not None


@given(st.text(max_size=50), st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=8))
def test_a_question_survives_its_bytes(text, numbers):
    found = unpacked(packed(KnownQuestion(text, np.array(numbers, np.float32), "t")))
    assert (found.text, found.trace_id, found.vector.tolist()) == (text, "t", numbers)


def test_the_nearest_come_first_and_vectors_that_cannot_be_compared_never():
    def at(*numbers: float) -> KnownQuestion:
        return KnownQuestion(str(numbers), np.array(numbers, np.float32), "t")

    asked = np.array([1, 0], np.float32)
    far, near, same, later = at(0, 1), at(0.9, 0.1), at(1, 0), at(2, 0)
    bad = [at(1, 0, 0), at(1), at(np.nan, 1), at(np.inf, 0), at(0, 0), at(3e38, 3e38)]
    found = nearest(asked, [far, near, same, later, *bad], 0.9)
    assert [each.text for _, each in found] == [same.text, later.text, near.text]
    assert [cosine for cosine, _ in found][:2] == [1.0, 1.0]
    assert nearest(asked, [same], 1.0)
    assert nearest(asked, [], 0.5) == []
