"""Where answered questions are kept: in the lake, or in Redis where there is one."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from include.errors import CommitConflictError
from include.llm.questions import KnownQuestion, most, packed, unpacked
from include.storage.objects import ObjectStore

FOLDER = "similar"
_REDIS_PREFIX = "rag:similar:"
_FRAME = struct.Struct("<dI")
_ATTEMPTS = 5
Held = list[tuple[float, bytes]]


class LakeQuestions:
    """One object for each scope, replaced by compare-and-set: for a machine, or a few workers."""

    name = FOLDER

    def __init__(self, objects: ObjectStore, clock: Callable[[], float] = time.time) -> None:
        self._objects = objects
        self._clock = clock

    def recent(self, scope: str) -> list[KnownQuestion]:
        """Those that have not expired, the latest first; what is damaged is left out."""
        stored = self._objects.read(_path(scope))
        held = self._fresh(stored.data) if stored else []
        return [found for _, raw in reversed(held) if (found := unpacked(raw))]

    def put(self, scope: str, question: KnownQuestion, seconds: int) -> None:
        """Adds one; raises CommitConflictError where others come first five times."""
        raw = packed(question)

        def added(held: Held) -> Held:
            return [*held, (self._clock() + seconds, raw)][-most(len(raw)) :]

        self._change(_path(scope), added)

    def clear(self) -> int:
        """Forgets all of them."""
        gone = 0
        for path in list(self._objects.list(FOLDER + "/")):
            stored = self._objects.read(path)
            gone += sum(1 for _ in _frames(stored.data)) if stored else 0
            self._objects.delete(path)
        return gone

    def close(self) -> None:
        """There is nothing to close."""

    def optimize(self, older_than: timedelta) -> None:  # noqa: ARG002 - they say themselves how long
        """Deletes what nobody will be answered with."""
        for path in list(self._objects.list(FOLDER + "/")):
            stored = self._objects.read(path)
            if stored and not self._fresh(stored.data):
                self._objects.delete(path)
            elif stored:
                self._change(path, lambda held: held)

    def _change(self, path: str, step: Callable[[Held], Held]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            stored = self._objects.read(path)
            held = step(self._fresh(stored.data) if stored else [])
            data = b"".join(_FRAME.pack(expires, len(raw)) + raw for expires, raw in held)
            if stored and stored.data == data:
                return
            try:
                self._objects.write_if(path, data, stored.etag if stored else None)
                return
            except CommitConflictError:
                if attempt == _ATTEMPTS:
                    raise

    def _fresh(self, data: bytes) -> Held:
        now = self._clock()
        return [(expires, raw) for expires, raw in _frames(data) if expires > now]


class RedisQuestions:
    """A sorted set for each scope, by expiry; Redis forgets a scope that nobody adds to."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        import redis

        self._redis = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
        self._clock = clock

    def recent(self, scope: str) -> list[KnownQuestion]:
        """Those that have not expired, the latest first; what is damaged is left out."""
        key = _REDIS_PREFIX + scope
        held: Any = self._redis.zrevrangebyscore(key, "+inf", f"({self._clock()}")
        return [found for raw in held if (found := unpacked(raw))]

    def put(self, scope: str, question: KnownQuestion, seconds: int) -> None:
        """Adds one; above the bounds, and after its time, the oldest goes."""
        key, raw, now = _REDIS_PREFIX + scope, packed(question), self._clock()
        with self._redis.pipeline() as steps:
            steps.zadd(key, {raw: now + seconds})
            steps.zremrangebyscore(key, "-inf", now)
            steps.zremrangebyrank(key, 0, -most(len(raw)) - 1)
            steps.expire(key, seconds)
            steps.execute()

    def clear(self) -> int:
        """Forgets all of them."""
        gone = 0
        for key in self._redis.scan_iter(match=_REDIS_PREFIX + "*", count=1_000):
            held: Any = self._redis.zcard(key)
            self._redis.delete(key)
            gone += int(held)
        return gone

    def close(self) -> None:
        """Closes the connections."""
        self._redis.close()


def _frames(data: bytes) -> Iterator[tuple[float, bytes]]:
    """Expiry and bytes of every question, the oldest first, up to where the object is damaged."""
    at = 0
    while at + _FRAME.size <= len(data):
        expires, size = _FRAME.unpack_from(data, at)
        at += _FRAME.size
        if size > len(data) - at:
            return
        yield expires, data[at : at + size]
        at += size


def _path(scope: str) -> str:
    return f"{FOLDER}/{scope}.bin"
