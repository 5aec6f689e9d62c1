"""Whether a question that a model wrote is worth a person's look. Pure.

The checks are plain on purpose: words, not meanings. What they let through a person still judges.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

SHORTEST_PASSAGE = 12
"""Words; with fewer there is nothing to ask."""
MOST_DOCUMENTS = 3
"""A passage that stands in more documents than that is boilerplate: nobody looks for it."""
_SHORTEST, _LONGEST = 3, 50
_LONGEST_ANSWER = 400
_COPIED = 8
_ALIKE = 0.8
_WORD = re.compile(r"\w+")
_DEPENDS = re.compile(
    r"\b(this|given|above|provided|following) "
    r"(text|passage|document|article|section|paragraph|excerpt|page)\b"
    r"|\bthe (passage|excerpt|author)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Passage:
    """What questions are made of: a chunk's text with the names that lead to it."""

    text: str
    title: str = ""
    heading: Sequence[str] = ()


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return _WORD.findall(text.casefold())


def is_askable(text: str, documents: int) -> bool:
    """Whether a passage, which stands in so many documents, has something to ask about."""
    held = [word for word in words(text) if word[0].isalpha()]
    return len(set(held)) >= SHORTEST_PASSAGE and documents <= MOST_DOCUMENTS


def flaw(question: str, answer: str, passage: Passage, known: Collection[str]) -> str:
    """Why a question is not kept, one word; "" for one that is. `known` are questions there are."""
    asked = words(question)
    if not _SHORTEST <= len(asked) <= _LONGEST:
        return "length"
    if _DEPENDS.search(question):
        return "depends"
    if not _stands_in(answer, passage.text):
        return "unanswerable"
    if _is_name(asked, passage):
        return "title"
    if _is_copied(asked, words(passage.text)):
        return "copied"
    if any(_alike(asked, words(other)) for other in known):
        return "duplicate"
    return ""


def _stands_in(answer: str, text: str) -> bool:
    """Word for word, whatever white space and capitals."""
    said = " ".join(answer.casefold().split())
    inside = said in " ".join(text.casefold().split())
    return bool(words(said)) and len(said) <= _LONGEST_ANSWER and inside


def _is_name(asked: Sequence[str], passage: Passage) -> bool:
    """Whether it has hardly a word beside those of title and headings."""
    question = set(asked)
    names = [words(name) for name in (passage.title, *passage.heading) if name]
    own = {word for name in names for word in name}
    if question <= own:
        return True
    whole = any(len(name) > 1 and set(name) <= question for name in names)
    return whole and len(question - own) <= 2


def _is_copied(asked: Sequence[str], text: Sequence[str]) -> bool:
    """Whether so many words of it stand in a row in the passage."""
    runs = {tuple(text[at : at + _COPIED]) for at in range(len(text) - _COPIED + 1)}
    return any(tuple(asked[at : at + _COPIED]) in runs for at in range(len(asked) - _COPIED + 1))


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    ours, theirs = set(one), set(other)
    return len(ours & theirs) >= _ALIKE * len(ours | theirs)
