"""Questions that were answered, kept for a while: the memory of the semantic cache.

A question leads to the trace of its answer; the answer itself stays there, so that whoever erases
the trace erases the answer. Questions are kept by scope, a name for everything that has to be equal
before two of them may share an answer; each scope has so many, the latest.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from include.embedding.protocol import FloatArray
from include.llm.forgiving import forgotten, tried

MOST_QUESTIONS = 1_000
MOST_BYTES = 8 * 1024**2
"""Of one scope: what a look-up reads. Long vectors meet it before they are a thousand."""
LONGEST_QUESTION = 2_000
_FAILED = "The cache of similar questions failed ({}): answering without it."
_ROUNDING = 1e-6
_HEAD = struct.Struct("<I")


@dataclass(frozen=True, slots=True, eq=False)
class KnownQuestion:
    """A question with its vector, and the trace of the answer that it got."""

    text: str
    vector: FloatArray
    trace_id: str


class Questions(Protocol):
    """Answered questions by scope, each for so many seconds."""

    def recent(self, scope: str) -> list[KnownQuestion]:
        """Those that have not expired, the latest first; what is damaged is left out."""
        ...

    def put(self, scope: str, question: KnownQuestion, seconds: int) -> None:
        """Adds one; above the bounds the oldest goes."""
        ...

    def clear(self) -> int:
        """Forgets all of them, of every scope; how many there were."""
        ...

    def close(self) -> None:
        """Closes connections, if there are any."""
        ...


class MemoryQuestions:
    """The reference: questions of this process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._held: dict[str, list[tuple[float, KnownQuestion]]] = {}

    def recent(self, scope: str) -> list[KnownQuestion]:
        """Those that have not expired, the latest first."""
        held = self._held.get(scope, [])
        return [question for expires, question in reversed(held) if expires > self._clock()]

    def put(self, scope: str, question: KnownQuestion, seconds: int) -> None:
        """Adds one; above the bounds the oldest goes."""
        now = self._clock()
        held = [each for each in self._held.get(scope, []) if each[0] > now]
        held.append((now + seconds, question))
        self._held[scope] = held[-most(len(packed(question))) :]

    def clear(self) -> int:
        """Forgets all of them."""
        gone = sum(map(len, self._held.values()))
        self._held.clear()
        return gone

    def close(self) -> None:
        """There is nothing to close."""


class ForgivingQuestions:
    """Others, without their failures: they are told and change no answer."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    def recent(self, scope: str) -> list[KnownQuestion]:
        """Those there are; none when they cannot be had."""
        return tried(lambda: self._questions.recent(scope), _FAILED) or []

    def put(self, scope: str, question: KnownQuestion, seconds: int) -> None:
        """Adds one if it can."""
        tried(lambda: self._questions.put(scope, question, seconds), _FAILED)

    def clear(self) -> int:
        """Forgets all of them; what cannot be forgotten raises."""
        return forgotten(self._questions.clear, "questions and their answers")

    def close(self) -> None:
        """Closes connections, if there are any."""
        self._questions.close()


def nearest(
    vector: FloatArray, known: Sequence[KnownQuestion], least: float
) -> list[tuple[float, KnownQuestion]]:
    """Questions of at least this cosine, the highest first, of equal ones in their order. Pure."""
    usable = [each for each in known if each.vector.shape == vector.shape]
    if not usable:
        return []
    matrix = np.stack([each.vector for each in usable])
    with np.errstate(all="ignore"):  # a damaged vector may hold anything: its cosine is no number
        lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(vector)
        cosines = matrix @ vector / lengths
    order = np.argsort(-cosines, kind="stable").tolist()
    return [
        (min(1.0, float(cosines[at])), usable[at])
        for at in order
        if cosines[at] >= least - _ROUNDING
    ]


def keepable(text: str) -> bool:
    """Whether a question of this text is worth keeping: neither empty nor too long."""
    return bool(text.strip()) and len(text) <= LONGEST_QUESTION


def most(size: int) -> int:
    """How many questions of so many bytes a scope has."""
    return max(1, min(MOST_QUESTIONS, MOST_BYTES // size))


def packed(question: KnownQuestion) -> bytes:
    """The question as bytes, its vector as float32."""
    head = json.dumps([question.text, question.trace_id]).encode()
    return _HEAD.pack(len(head)) + head + np.asarray(question.vector, "<f4").tobytes()


def unpacked(raw: bytes) -> KnownQuestion | None:
    """The question of these bytes; None for bytes that are none."""
    try:
        (size,) = _HEAD.unpack_from(raw)
        text, trace_id = json.loads(raw[_HEAD.size : _HEAD.size + size])
        vector = np.frombuffer(raw, "<f4", offset=_HEAD.size + size)
    except (struct.error, ValueError, TypeError, RecursionError):
        return None
    if not (isinstance(text, str) and isinstance(trace_id, str)):
        return None
    return KnownQuestion(text, vector, trace_id)
