"""Conversations: every backend keeps the same promises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from include.errors import TransientError
from include.storage.objects import LocalObjects
from include.storage.sessions import MOST_TRACES, LakeSessions, RedisSessions, open_sessions
from tests.standin.redis_server import redis_server


@pytest.fixture(params=["lake", "redis"])
def sessions(request, tmp_path):
    if request.param == "lake":
        yield open_sessions(None, LocalObjects(tmp_path), 100)
        return
    with redis_server(tmp_path) as url:
        opened = open_sessions(url, LocalObjects(tmp_path), 100)
        yield opened
        opened.close()


def test_answers_are_remembered_in_order_by_session(sessions):
    assert sessions.traces("one") is None
    for number in range(3):
        sessions.append("one", f"trace-{number}")
    sessions.append("two", "other")
    assert sessions.traces("one") == ["trace-0", "trace-1", "trace-2"]
    assert sessions.traces("two") == ["other"]


def test_only_the_last_answers_are_remembered(sessions):
    for number in range(MOST_TRACES + 2):
        sessions.append("one", str(number))
    assert sessions.traces("one") == [str(n) for n in range(2, MOST_TRACES + 2)]


def test_answers_that_come_at_once_are_all_remembered(sessions):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: sessions.append("one", str(number)), range(12)))
    assert sorted(sessions.traces("one"), key=int) == [str(n) for n in range(12)]


def test_a_session_expires_when_nobody_goes_on_with_it(tmp_path):
    now = [1_000.0]
    sessions = LakeSessions(LocalObjects(tmp_path), 100, clock=lambda: now[0])
    sessions.append("one", "a")
    now[0] += 90
    sessions.append("one", "b")
    now[0] += 90
    assert sessions.traces("one") == ["a", "b"]
    sessions.optimize(timedelta(0))
    assert sessions.traces("one") == ["a", "b"]
    now[0] += 10
    assert sessions.traces("one") is None
    sessions.append("one", "c")
    assert sessions.traces("one") == ["c"]
    now[0] += 100
    sessions.optimize(timedelta(0))
    assert list(LocalObjects(tmp_path).list()) == []


def test_redis_lets_sessions_expire(tmp_path):
    with redis_server(tmp_path) as url:
        sessions = RedisSessions(url, 77)
        sessions.append("one", "a")
        assert 0 < sessions._redis.ttl("rag:session:one") <= 77
        sessions.close()


def test_a_redis_that_is_gone_is_told_with_its_setting():
    with pytest.raises(TransientError, match="RAG_REDIS_URL"):
        RedisSessions("redis://127.0.0.1:1/0", 1).append("one", "a")


def test_a_damaged_session_is_none(tmp_path):
    sessions = LakeSessions(LocalObjects(tmp_path), 100)
    LocalObjects(tmp_path).write("sessions/one.json", b"{")
    assert sessions.traces("one") is None
    sessions.append("one", "a")
    assert sessions.traces("one") == ["a"]
