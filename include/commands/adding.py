"""How a command is added to the parser."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Protocol

from include.wiring import Platform

Json = dict[str, Any]
Command = Callable[[Platform, argparse.Namespace], tuple[Json, int]]


class Add(Protocol):
    """Adds a command by its name: what runs it, what shows its answer, and what it promises."""

    def __call__(
        self, name: str, run: Command, shown: Callable[[Json], str], promise: str, /
    ) -> argparse.ArgumentParser:
        """The parser for the command's own arguments."""
        ...
