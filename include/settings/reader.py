"""Reads `RAG_*` variables from an environment: checked, and remembered."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from include.errors import ConfigurationError

T = TypeVar("T")


class Reader:
    """Reads `RAG_*` variables, remembering the names, so that a stranger's name is noticed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._known: set[str] = set()

    def text(self, name: str, default: str) -> str:
        """The value without white space around it; the default where it is unset or empty."""
        self._known.add(name)
        return self._environment.get(name, "").strip() or default

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """One of the values allowed."""
        value = self.text(name, default)
        if value not in allowed:
            raise ConfigurationError(f"{name} should be one of {', '.join(allowed)}, is {value!r}.")
        return value

    def switch(self, name: str, default: str) -> bool:
        """Whether it is `true`."""
        return self.choice(name, default, ("true", "false")) == "true"

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        """A whole number from the lowest to the highest."""
        return self._parsed(
            name, str(default), int, lowest, highest, f"a whole number from {lowest} to {highest}"
        )

    def fraction(self, name: str, default: float) -> float:
        """A number from 0 to 1."""
        return self._parsed(name, str(default), float, 0.0, 1.0, "a number from 0 to 1")

    def _parsed(
        self, name: str, default: str, parse: Callable[[str], T], low: T, high: T, expected: str
    ) -> T:
        value = self.text(name, default)
        try:
            parsed = parse(value)
        except ValueError:
            parsed = None
        if parsed is None or not low <= parsed <= high:  # type: ignore[operator]
            raise ConfigurationError(f"{name} should be {expected}, is {value!r}.")
        return parsed

    def codes(self, name: str, pattern: str, example: str) -> tuple[str, ...]:
        """Codes of that pattern, separated by spaces."""
        values = tuple(self.text(name, "").split())
        for value in values:
            if not re.fullmatch(pattern, value):
                raise ConfigurationError(
                    f"{name} should be codes separated by spaces, {example}; {value!r} is none."
                )
        return values

    def path(self, name: str) -> Path | None:
        """A path, `~` expanded; None where it is unset."""
        value = self.text(name, "")
        return Path(value).expanduser() if value else None

    def refuse_unknown(self) -> None:
        """Raises ConfigurationError for a `RAG_*` variable that nobody has asked for."""
        for name in self._environment:
            if name.startswith("RAG_") and name not in self._known:
                near = difflib.get_close_matches(name, self._known, 1)
                hint = f" Did you mean {near[0]}?" if near else " See .env.example."
                raise ConfigurationError(f"{name} is not a setting of this platform.{hint}")
