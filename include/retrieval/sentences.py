"""Sentences: the parts of a passage that can stand in an answer, with their offsets. Pure.

Made for what documents really hold: hard-wrapped prose, lists, headings, code and tables. Code,
headings, badges and fragments are not sentences; a list item is one, with or without a full stop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

Offsets = tuple[int, int]

LONGEST = 500
"""Characters after which a sentence is cut at a word: a table row or a run-on list, as a rule."""

_ITEM = re.compile(r"^[ \t]*(?:[-*+•‣◦–]|\d{1,3}[.)]|\(\w{1,3}\))[ \t]+", re.MULTILINE)
_END = re.compile(
    r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9À-ÞΑ-ΩА-Я\u3040-\u9fff])"
    r"|(?<=\s[.!?;])\s+"
    r"|(?<=[。！？])"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|al|approx|resp|incl|no|nos|fig|figs|eq|ch|sec|vol|pp?|ed|eds"
    r"|mr|mrs|ms|dr|prof|st|jr|sr|inc|ltd|co|u\.s)|\b[A-Z])\.\s*$",
    re.IGNORECASE,
)
_CODE_LINE = re.compile(
    r"^(?:>>>|\.\.\. |\$ |#!|@\w|import \w|from [\w.]+ import\b|def |class \w+.*:$|pip install"
    r"|python3? -m|[\w.\[\]'\"]+ = |[\w.]+\(.*\)$|[}\])]+[,;]?$)"
)
_SYMBOLS = frozenset("{}[]<>=_;$#\\|@`~^/*")
_WORD = re.compile(r"[^\W\d_]{2,}")
_URL = re.compile(r"\w+://\S+|www\.\S+")


def sentences(text: str) -> list[Offsets]:
    """The spans of sentences in `text`, in order, without overlap and without outer white space."""
    found: list[Offsets] = []
    for start, end in _blocks(text):
        if _is_code(text[start:end]):
            continue
        for unit in _units(text, start, end):
            found += [part for whole in _split(text, *unit) for part in _short(text, *whole)]
    return [(start, end) for start, end in found if _can_stand(text[start:end])]


def readable(sentence: str) -> str:
    """A sentence on one line, without its list marker."""
    return " ".join(_ITEM.sub("", sentence, count=1).split())


def _blocks(text: str) -> Iterator[Offsets]:
    """Runs of lines between blank lines."""
    start = 0
    for gap in re.finditer(r"\n[ \t]*\n\s*|\Z", text):
        if text[start : gap.start()].strip():
            yield start, gap.start()
        start = gap.end()


def _is_code(block: str) -> bool:
    lines = [line.strip() for line in block.splitlines()]
    if any(_CODE_LINE.match(line) for line in lines):
        return True
    visible = [character for character in block if not character.isspace()]
    return sum(character in _SYMBOLS for character in visible) > 0.12 * len(visible)


def _units(text: str, start: int, end: int) -> Iterator[Offsets]:
    """List items each by itself; other blocks as they are, unless they are a lone heading."""
    marks = [match.start() for match in _ITEM.finditer(text, start, end)]
    if not marks:
        block = text[start:end]
        if "\n" in block.strip() or len(block.split()) > 8 or _closed(block):
            yield start, end
        return
    edges = [start, *marks, end] if marks[0] > start else [*marks, end]
    yield from pairwise(edges)


def _split(text: str, start: int, end: int) -> Iterator[Offsets]:
    begin = start
    for match in _END.finditer(text, start, end):
        if _ABBREVIATION.search(text, begin, match.start()):
            continue
        yield _trimmed(text, begin, match.end())
        begin = match.end()
    yield _trimmed(text, begin, end)


def _short(text: str, start: int, end: int) -> Iterator[Offsets]:
    while end - start > LONGEST:
        cut = text.rfind(" ", start + 1, start + LONGEST)
        cut = cut if cut > start else start + LONGEST
        yield _trimmed(text, start, cut)
        start = _trimmed(text, cut, end)[0]
    yield start, end


def _trimmed(text: str, start: int, end: int) -> Offsets:
    inner = text[start:end]
    return start + len(inner) - len(inner.lstrip()), start + len(inner.rstrip())


def _closed(text: str) -> bool:
    return text.rstrip().rstrip("\"'”’)]").endswith((".", "!", "?", "…", ":", "。", "！", "？"))


def _can_stand(sentence: str) -> bool:
    """Three words at least, mostly letters, addresses not counted.

    Ideographs need no spaces to be words.
    """
    prose = _URL.sub("", sentence)
    letters = sum(character.isalpha() for character in prose)
    enough = len(_WORD.findall(prose)) >= 3 or (letters >= 6 and not prose.isascii())
    return enough and letters > 0.5 * sum(not character.isspace() for character in sentence)
