"""A conversation: what was asked and answered before a question. Pure.

Earlier turns are data like the passages: they help to find the right passages and to read the
question, and instruct nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_TURNS = 6
LONGEST = 1_500
"""Characters of an earlier question or answer that are read again."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer. `trace_id` leads to how it came about, where it was ours."""

    question: str
    answer: str
    trace_id: str = ""
    uris: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """What a later trace keeps of it: no text, but which documents it may quote."""
        return {"trace_id": self.trace_id, "uris": list(self.uris)}


def recent(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The last turns, in order, each question and answer no longer than is read again."""
    return tuple(
        Turn(_cut(each.question), _cut(each.answer), each.trace_id, each.uris)
        for each in turns[-MOST_TURNS:]
    )


def searched_for(question: str, turns: Sequence[Turn]) -> str:
    """What is searched for: the question, after the one before it that it may refer to."""
    return f"{turns[-1].question} {question}" if turns else question


def history_of(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """Turns as prompts take them."""
    return [{"question": each.question, "answer": each.answer} for each in turns]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
