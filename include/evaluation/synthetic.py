"""Golden questions made from titles and headings, for a corpus that has none. Pure.

They ask with the documents' own words, so they flatter text search and cannot tell two good models
apart; they do tell a broken index from a sound one. Each is tagged `synthetic`, to be replaced by
what people really ask (include/evaluation/golden/README.md).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from include.documents import Block, digest, heading_path
from include.evaluation.questions import Question

SYNTHETIC = "synthetic"
_LONGEST = 200
_SHORTEST = 8
# Headings that stand in every other document ask for nothing without the title before them.
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Titled:
    """What questions are made of: a document's address, title, text and blocks."""

    uri: str
    title: str
    text: str
    blocks: Sequence[Block]


def generate(documents: Iterable[Titled], count: int, seed: int = 7) -> list[Question]:
    """At most that many questions, of as many documents as possible, the same ones each time.

    One question for each title, one for each heading under it. What two documents would be asked
    in the same words is relevant in both. Which are taken depends on their words and the seed,
    not on the order of the documents.
    """
    asked: dict[tuple[str, str], set[str]] = defaultdict(set)
    for document in documents:
        for kind, text, _ in _texts(document):
            asked[kind, text].add(document.uri)
    questions = [
        _question(kind, text, dict.fromkeys(sorted(uris), 1.0))
        for (kind, text), uris in asked.items()
    ]
    return _spread(questions, count, seed)


def place_of(document: Titled, question: str) -> int:
    """Where the heading begins that the question was made of; 0 for a title."""
    return next((start for _, text, start in _texts(document) if text == question), 0)


def as_line(question: Question) -> str:
    """The question as one line of a golden file."""
    answer = {} if question.answer is None else {"answer": question.answer}
    return json.dumps(
        {
            "id": question.id,
            "question": question.question,
            "relevant": dict(question.relevant),
            "tags": list(question.tags),
            **answer,
        },
        ensure_ascii=False,
    )


def _texts(document: Titled) -> Iterator[tuple[str, str, int]]:
    title = " ".join(document.title.split())
    if _is_askable(title):
        yield "title", title, 0
    for block in document.blocks:
        if block.kind != "heading" or block.level > _DEEPEST:
            continue
        path = [
            " ".join(part.split())
            for part in heading_path(document.blocks, document.text, block.start)
        ]
        # The outermost heading is often the title again.
        parts = [part for part in dict.fromkeys([title, *path]) if part]
        text = ": ".join(parts)
        if len(parts) > 1 and _is_askable(text):
            yield "heading", text, block.start


def _is_askable(text: str) -> bool:
    """Long enough to say something, with letters in it, and shorter than a paragraph."""
    return _SHORTEST <= len(text) <= _LONGEST and any(char.isalpha() for char in text)


def _question(kind: str, text: str, relevant: Mapping[str, float]) -> Question:
    name = f"synthetic-{digest('golden question', kind, text)[:12]}"
    return Question(name, text, relevant, tags=(SYNTHETIC, kind))


def _spread(questions: Sequence[Question], count: int, seed: int) -> list[Question]:
    """One question of every document before a second of any; in an order that the seed decides."""
    chance = {each.id: digest("order", str(seed), each.id) for each in questions}
    used: dict[str, int] = defaultdict(int)
    turns = []
    for each in sorted(questions, key=lambda q: chance[q.id]):
        turn = max(used[uri] for uri in each.relevant)
        for uri in each.relevant:
            used[uri] += 1
        turns.append((turn, chance[each.id], each))
    return [each for _, _, each in sorted(turns, key=lambda turn: turn[:2])[:count]]
