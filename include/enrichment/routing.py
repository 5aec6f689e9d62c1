"""Which model describes a document, and when a person should look. Pure.

The thresholds are choices, not measurements: the cheap model is asked first, unless the text is one
that small models get wrong.
"""

from __future__ import annotations

import re

COMPLEX = 0.6
"""From this complexity on, the strong model is asked at once."""
CONFIDENT = 0.7
"""Below it, the strong model is asked as well."""
ACCEPTED = 0.5
"""Below it, a person decides."""

_LONG_TEXT = 20_000
_LONG_SENTENCE = 40
_SENTENCE_END = re.compile(r"[.!?。！？\n]+")
_WORD = re.compile(r"\w+")


def complexity(text: str) -> float:
    """From 0 to 1: long texts, long sentences, and much that is no word make a text hard."""
    words = len(_WORD.findall(text))
    if not words:
        return 0.0
    sentences = sum(1 for each in _SENTENCE_END.split(text) if each.strip())
    length = min(1.0, len(text) / _LONG_TEXT)
    sentence = min(1.0, words / max(1, sentences) / _LONG_SENTENCE)
    visible = sum(not each.isspace() for each in text)
    odd = sum(not (each.isalpha() or each.isspace()) for each in text) / max(1, visible)
    return round(0.5 * length + 0.25 * sentence + 0.25 * min(1.0, 2 * odd), 4)
