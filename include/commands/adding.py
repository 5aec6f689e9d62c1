"""How a command is added to the parser."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
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


def add_approval(command: argparse.ArgumentParser) -> None:
    """Lets the command spend more than approval_usd."""
    command.add_argument(
        "--approve-usd",
        type=_amount,
        metavar="AMOUNT",
        help="spend up to so much, although it is more than approval_usd",
    )


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"should be an amount of USD of at least 0, is {text!r}")
    return amount
