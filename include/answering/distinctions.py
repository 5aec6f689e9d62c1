"""What tells two questions apart although their vectors are close. Pure.

Embeddings hardly see a number, a "not", or who does what to whom: "in 2023" and "in 2024", "with" and
"without", "from Paris to Rome" and "from Rome to Paris" are nearly one vector. So two questions share
an answer only where their words say the same, but for inflection, filling words and moved parts; the
vectors vouch for the rest. It is strict on purpose: a lost hit costs one call, a wrong answer trust.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\d+(?:[.,:/]\d+)*\w*|\w+(?:[.:/_'’-]\w+)*[+#]*|[^\w\s.,;:?!'’\"“”„«»()\[\]{}`-]"
)
_QUOTED = re.compile(r"`[^`]+`|\"[^\"]+\"|[“„][^“”„]+[“”]|«[^»]+»|(?<!\w)'[^']+'(?!\w)")
_ASIDE = re.compile(
    r"^\s*(?:please\s+|(?:can|could|would|will)\s+you\s+)*(?:tell\s+me|explain|show\s+me)\s+"
    r"(?:to\s+me\s+)?|(?<=how )(?:can|could|do|does|would)\b|\bplease\b",
    re.IGNORECASE,
)
_OWED = re.compile(r"\b(?:have|has|had|needs?|needed|ought) to\b", re.IGNORECASE)
_SENTENCE_START = re.compile(r"(?:^|[.?!:])\s*$")
_ENDING = re.compile(r"(?:['’]s|(?<=[^\W\d_]{3})(?:ing|ed|es|s|e))$")
_DOUBLED = re.compile(r"([b-df-hj-np-tv-z])\1$")

_SENSES = {
    **dict.fromkeys(("not", "no", "cannot", "never", "none", "nor", "neither"), "not"),
    **dict.fromkeys(("nicht", "kein", "keine", "keinen", "keiner", "keinem", "nie"), "not"),
    **dict.fromkeys(("pas", "jamais", "nunca", "non", "niet", "geen", "nooit"), "not"),
    **dict.fromkeys(("can", "could", "may", "might", "would"), "can"),
    **dict.fromkeys(("must", "shall", "should"), "must"),
    **dict.fromkeys(("was", "were", "did", "had"), "past"),
    **dict.fromkeys(("who", "whom"), "who"),
    **{word: word for word in ("how", "whose", "where", "why", "will")},
}
"""Words that give a question its sense wherever they stand in it: they have to be the same."""
_FILLERS = (
    "a an the this that these those it its i i'm me my we us our you your there one "
    "am is are be been being do does have has having "
    "what what's which of to for in on at and if when also just exactly actually"
)
_FILLING = frozenset(_FILLERS.split())
"""Words that a question may have more or less of and still ask the same."""
_DIRECTED = frozenset(("from", "to", "into", "than", "over", "before", "after", "by"))


@dataclass(frozen=True, slots=True)
class _Words:
    """A question's words: what it is about, in order; what gives it its sense; all of them."""

    content: tuple[str, ...]
    senses: Counter[str]
    all: frozenset[str]


def distinction(one: str, other: str) -> str:
    """Why two questions may not share an answer: `sense`, `words` or `order`; "" where they may.

    `sense` is a negation, a modal verb, a tense, or what is asked for; `words` is one that only one
    of them has, a number or a name among them; `order` is who does what to whom.
    """
    ours, theirs = _words(one), _words(other)
    if ours.senses != theirs.senses:
        return "sense"
    if Counter(ours.content) != Counter(theirs.content):
        return "words"
    directed = bool(ours.all & _DIRECTED and theirs.all & _DIRECTED)
    return "" if _same_order(ours.content, theirs.content, directed=directed) else "order"


def _words(question: str) -> _Words:
    text = _ASIDE.sub(" ", _OWED.sub(" must ", question))
    quoted = [match.span() for match in _QUOTED.finditer(text)]
    content: list[str] = []
    senses: Counter[str] = Counter()
    for match in _TOKEN.finditer(text):
        token, word = match[0], match[0].casefold()
        starts = _SENTENCE_START.search(text, 0, match.start()) is not None
        named = token[:1].isupper() and token not in ("I", "I'm") and not starts
        if any(start <= match.start() < end for start, end in quoted):
            content.append(word)
        elif not named and (sense := _sense(word, starts=starts)):
            senses[sense] += 1
        elif named or word not in _FILLING:
            content.append(_stem(word))
    every = frozenset(match[0].casefold() for match in _TOKEN.finditer(text))
    return _Words(tuple(content), senses, every)


def _sense(word: str, *, starts: bool) -> str:
    """What the word does to the whole question; "" for most words."""
    if word.endswith(("n't", "n’t")):
        return "not"
    plain = word.removesuffix("'s").removesuffix("’s")
    if plain == "when" and starts:
        return "when"
    return _SENSES.get(plain, "")


def _stem(word: str) -> str:
    """The word without a regular English ending: crude, and the same for both questions.

    What is no plain word, such as `max_retries`, stays as it is.
    """
    if not word.replace("'", "").replace("’", "").isalpha():
        return word
    stem = _DOUBLED.sub(r"\1", _ENDING.sub("", word))
    return stem[:-1] + "y" if stem.endswith("i") else stem


def _same_order(one: Sequence[str], other: Sequence[str], *, directed: bool) -> bool:
    """Whether the words follow each other alike, or one part of the question was moved as a whole.

    Moved: "how are keys rotated", "how to rotate keys". Two words in a directed question ("csv to
    json") stay where they are.
    """
    moved = any(one == (*other[at:], *other[:at]) for at in range(1, len(other)))
    return tuple(one) == tuple(other) or (moved and (len(one) > 2 or not directed))
