"""What the stand-in does on request: faults in order or by chance, scripted answers, rate limits."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

CHARGED = frozenset({"slow", "cut", "html", "no usage", "too few", "nan", "wrong dimensions",
                     "malformed", "length", "content_filter", "filtered",
                     "break", "error event"})  # fmt: skip
"""Faults after which the meter has charged; of the others (429, 500, 400, 401) it charges none."""

Json = dict[str, Any]


class Behaviour:
    """What comes next. Its parts are replaced by `change`; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: deque[str] = deque()
        self._by_chance: dict[str, float] = {}
        self._random = random.Random(0)
        self._chat: deque[Any] = deque()
        self._admitted: deque[float] = deque()
        self.seconds = 0.0
        self.slow_seconds = 2.0
        self.word_seconds = 0.0
        self.retry_after = "0.05"
        self.cached_tokens: Any = None
        self.key = ""
        self.refuse_models: list[str] = []
        self.requests_per_minute = 0
        self.has_batches = True
        self.batch_seconds = 0.0
        self.batch_ends: list[str] = []
        self.batch_answers = 1
        self.batch_fails: list[int] = []
        self.batch_faults: list[str] = []
        self.create_faults: list[str] = []

    def change(self, wanted: Json) -> None:
        """`faults` and `chat` are queues; `chance` is a mapping with an optional `seed`."""
        with self._lock:
            self._faults.extend(wanted.pop("faults", ()))
            self._chat.extend(wanted.pop("chat", ()))
            if "chance" in wanted:
                self._by_chance = wanted.pop("chance")
                self._random = random.Random(wanted.pop("seed", 0))
            for name, value in wanted.items():
                if not hasattr(self, name):
                    raise KeyError(name)
                setattr(self, name, value)

    def fault(self) -> str:
        """The next fault, or nothing."""
        with self._lock:
            if self._faults:
                return self._faults.popleft()
            draw = self._random.random()
            for name, share in self._by_chance.items():
                if draw < share:
                    return name
                draw -= share
            return ""

    def admits(self) -> bool:
        """Whether the request is within the rate limit of the last 60 seconds."""
        with self._lock:
            now = time.monotonic()
            while self._admitted and self._admitted[0] <= now - 60:
                self._admitted.popleft()
            if self.requests_per_minute and len(self._admitted) >= self.requests_per_minute:
                return False
            self._admitted.append(now)
            return True

    def answer(self) -> Json | str | None:
        """The next scripted chat answer: a text, or a mapping with `content` and `finish_reason`."""
        with self._lock:
            return self._chat.popleft() if self._chat else None


class Meter:
    """Every request on disk, before its answer is sent: one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def write(self, row: Json) -> None:
        """Appends one row."""
        with self._lock, self._path.open("a") as file:
            file.write(json.dumps({"at": time.time()} | row) + "\n")


def metered(path: Path) -> list[Json]:
    """The rows of a meter."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]
