"""Answers to identical requests, kept for a while: in the lake, or in Redis where there is one.

What is kept can be thrown away at any time: it saves money and holds nothing that exists nowhere
else. A cache that fails is a cache without the answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

from include.llm.forgiving import forgotten, tried
from include.storage.objects import ObjectStore

FOLDER = "responses"
_REDIS_PREFIX = "rag:response:"
_FAILED = "The cache of responses failed ({}): asking the model instead."


class Responses(Protocol):
    """JSON objects by key that expire."""

    def get(self, key: str) -> dict[str, Any] | None:
        """The object, unless there is none or it has expired."""
        ...

    def put(self, key: str, value: dict[str, Any], seconds: int) -> None:
        """Keeps the object for so many seconds."""
        ...

    def clear(self) -> int:
        """Forgets all of them; how many there were."""
        ...

    def close(self) -> None:
        """Closes connections, if there are any."""
        ...


class LakeResponses:
    """One small object for each answer."""

    name = FOLDER

    def __init__(self, objects: ObjectStore, clock: Callable[[], float] = time.time) -> None:
        self._objects = objects
        self._clock = clock

    def get(self, key: str) -> dict[str, Any] | None:
        """The object, unless there is none or it has expired."""
        stored = self._objects.read(f"{FOLDER}/{key}.json")
        held = _object(stored.data) if stored else {}
        value = held.get("value")
        return value if _expires(held) > self._clock() and isinstance(value, dict) else None

    def put(self, key: str, value: dict[str, Any], seconds: int) -> None:
        """Keeps the object for so many seconds."""
        held = {"expires": self._clock() + seconds, "value": value}
        self._objects.write(f"{FOLDER}/{key}.json", json.dumps(held).encode())

    def clear(self) -> int:
        """Forgets all of them."""
        return self._delete(lambda _: True)

    def close(self) -> None:
        """There is nothing to close."""

    def optimize(self, older_than: timedelta) -> None:  # noqa: ARG002 - they say themselves how long
        """Deletes what nobody will be answered with."""
        self._delete(lambda held: _expires(held) <= self._clock())

    def _delete(self, unwanted: Callable[[dict[str, Any]], bool]) -> int:
        gone = 0
        for path in list(self._objects.list(FOLDER + "/")):
            stored = self._objects.read(path)
            if stored and unwanted(_object(stored.data)):
                self._objects.delete(path)
                gone += 1
        return gone


class RedisResponses:
    """Keys that Redis lets expire."""

    def __init__(self, url: str) -> None:
        import redis

        self._redis = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)

    def get(self, key: str) -> dict[str, Any] | None:
        """The object, unless there is none or it has expired."""
        stored: Any = self._redis.get(_REDIS_PREFIX + key)
        return _object(stored) or None if stored else None

    def put(self, key: str, value: dict[str, Any], seconds: int) -> None:
        """Keeps the object for so many seconds."""
        self._redis.set(_REDIS_PREFIX + key, json.dumps(value), ex=seconds)

    def clear(self) -> int:
        """Forgets all of them."""
        gone = 0
        for key in self._redis.scan_iter(match=_REDIS_PREFIX + "*", count=1_000):
            gone += int(self._redis.delete(key))
        return gone

    def close(self) -> None:
        """Closes the connections."""
        self._redis.close()


class Forgiving:
    """Another cache, without its failures: they are told and change no answer."""

    def __init__(self, cache: Responses) -> None:
        self._cache = cache

    def get(self, key: str) -> dict[str, Any] | None:
        """The object, or None."""
        return tried(lambda: self._cache.get(key), _FAILED)

    def put(self, key: str, value: dict[str, Any], seconds: int) -> None:
        """Keeps the object if it can."""
        tried(lambda: self._cache.put(key, value, seconds), _FAILED)

    def clear(self) -> int:
        """Forgets all; what cannot be forgotten raises."""
        return forgotten(self._cache.clear, "answers to identical requests")

    def close(self) -> None:
        """Closes connections, if there are any."""
        self._cache.close()


def _expires(held: dict[str, Any]) -> float:
    told = held.get("expires")
    return told if isinstance(told, (int, float)) else 0.0


def _object(data: bytes) -> dict[str, Any]:
    try:
        held = json.loads(data)
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}
