"""Conversations: which answers a session had, by their traces. Disposable, and without any text.

What was said stands in the traces alone, so that an erasure of them is one of conversations, too.
In Redis where there is one, else in the lake; a session that nobody goes on with expires.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

from include.errors import CommitConflictError, TransientError
from include.storage.objects import ObjectStore

FOLDER = "sessions"
MOST_TRACES = 50
"""The last answers of a session that are remembered."""
_REDIS_PREFIX = "rag:session:"
_ATTEMPTS = 20


class Sessions(Protocol):
    """Ids of traces by session."""

    def traces(self, session: str) -> list[str] | None:
        """The traces of its answers, in order; None when there is no such session any more."""
        ...

    def append(self, session: str, trace_id: str) -> None:
        """Adds an answer; the session begins with its first one, and lives on from now."""
        ...

    def close(self) -> None:
        """Closes connections, if there are any."""
        ...


class LakeSessions:
    """One small object for each session, `sessions/<session>.json`, replaced by compare-and-set."""

    name = FOLDER

    def __init__(
        self, objects: ObjectStore, seconds: int = 0, clock: Callable[[], float] = time.time
    ) -> None:
        self._objects = objects
        self._seconds = seconds
        self._clock = clock

    def traces(self, session: str) -> list[str] | None:
        """The traces of its answers; None once it has expired."""
        return self._read(session)[0]

    def append(self, session: str, trace_id: str) -> None:
        """Adds an answer; of several writers at once each one's is kept."""
        for attempt in range(_ATTEMPTS):
            known, etag = self._read(session)
            held = {
                "expires": self._clock() + self._seconds,
                "traces": [*(known or []), trace_id][-MOST_TRACES:],
            }
            try:
                self._objects.write_if(_path(session), json.dumps(held).encode(), etag)
            except CommitConflictError:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    def close(self) -> None:
        """There is nothing to close."""

    def optimize(self, older_than: timedelta) -> None:  # noqa: ARG002 - they say themselves how long
        """Deletes what has expired."""
        for path in list(self._objects.list(FOLDER + "/")):
            stored = self._objects.read(path)
            if stored and _held(stored.data).get("expires", 0) <= self._clock():
                self._objects.delete(path)

    def _read(self, session: str) -> tuple[list[str] | None, str | None]:
        stored = self._objects.read(_path(session))
        if stored is None:
            return None, None
        held = _held(stored.data)
        return (held["traces"] if held.get("expires", 0) > self._clock() else None), stored.etag


class RedisSessions:
    """One list for each session. Raises TransientError when the server cannot be reached."""

    def __init__(self, url: str, seconds: int) -> None:
        import redis

        self._redis = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
        self._seconds = seconds

    def traces(self, session: str) -> list[str] | None:
        """The traces of its answers; None once it has expired."""
        found: Any = self._tried(lambda: self._redis.lrange(_REDIS_PREFIX + session, 0, -1))
        return [each.decode() for each in found] or None

    def append(self, session: str, trace_id: str) -> None:
        """Adds an answer, in one transaction."""
        key = _REDIS_PREFIX + session
        steps = self._redis.pipeline(transaction=True)
        steps.rpush(key, trace_id)
        steps.ltrim(key, -MOST_TRACES, -1)
        steps.expire(key, self._seconds)
        self._tried(steps.execute)

    def close(self) -> None:
        """Closes the connections."""
        self._redis.close()

    def _tried(self, act: Callable[[], Any]) -> Any:
        import redis

        try:
            return act()
        except redis.RedisError as error:
            raise TransientError(
                f"Conversations cannot be read or kept ({type(error).__name__}): see that the "
                f"server of RAG_REDIS_URL answers."
            ) from None


def open_sessions(redis_url: str | None, objects: ObjectStore, seconds: int) -> Sessions:
    """Where conversations are kept: shared by all machines with Redis, else by the lake's."""
    return RedisSessions(redis_url, seconds) if redis_url else LakeSessions(objects, seconds)


def _path(session: str) -> str:
    return f"{FOLDER}/{session}.json"


def _held(data: bytes) -> dict[str, Any]:
    try:
        held = json.loads(data)
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}
