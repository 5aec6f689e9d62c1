"""A filter's words: names, texts in quotes, numbers and signs, each with its position."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

TokenKind = Literal["name", "text", "number", "sign", "unknown", "end"]

# No alternative can give back what it took, so no text takes longer than its length.
_TOKEN = re.compile(
    r"""(?P<name>[A-Za-z_][A-Za-z0-9_]*+)
      | (?P<text>'(?:[^']|'')*+' | "(?:[^"]|"")*+")
      | (?P<number>[+-]?[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+(?![A-Za-z0-9_.]))
      | (?P<sign><=|>=|!=|<>|==|[=<>(),])
      | (?P<unknown>\S[A-Za-z0-9_.]*+)""",
    re.VERBOSE | re.DOTALL,
)
_BLANKS = re.compile(r"\s*+")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the filter; `at` counts characters from 0."""

    kind: TokenKind
    text: str
    at: int

    @property
    def shown(self) -> str:
        """The token as an error message names it."""
        return "the end" if self.kind == "end" else repr(self.text[:40])


def tokens(text: str) -> Iterator[Token]:
    """The tokens in order, the last one of kind `end`; what fits nothing is `unknown`."""
    at = _skip(text, 0)
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise AssertionError(f"No token at {at}: every character starts one.")
        kind: TokenKind = found.lastgroup  # type: ignore[assignment]
        yield Token(kind, found[0], at)
        at = _skip(text, found.end())
    yield Token("end", "", len(text))


def _skip(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at
