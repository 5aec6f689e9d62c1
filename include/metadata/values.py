"""Typed values: what a metadata value must look like to count as a number, a date, a list."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Literal, TypeAlias

Kind = Literal["text", "int", "float", "bool", "date", "list"]
Value: TypeAlias = str | int | float | bool | date | tuple[str, ...]

SMALLEST, LARGEST = -(2**63), 2**63 - 1
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}
_LONGEST_NUMBER = 400


def typed(kind: Kind, value: object) -> Value:
    """The value as this kind. Raises ValueError, with what was expected, when it is not one."""
    return _TYPED[kind](value)


def sound(text: str) -> str:
    """The text with a question mark for each lone surrogate, which no store can hold."""
    return text.encode("utf-8", "replace").decode()


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return sound(str(value))
    raise ValueError("a text")


def _int(value: object) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not SMALLEST <= value <= LARGEST:
        raise ValueError("a whole number of at most 64 bits")
    return value


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("a number")
    try:
        number = float(value if not isinstance(value, str) else value[:_LONGEST_NUMBER])
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("a finite number")
    return number + 0.0  # -0.0 becomes 0.0: databases tell them apart, Python does not


def _bool(value: object) -> bool:
    if isinstance(value, str):
        value = _TRUTHS.get(value.strip().lower())
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _date(value: object) -> date:
    """The calendar day as it is written: a time of day and its zone are left out."""
    try:
        return datetime.fromisoformat(value.strip() if isinstance(value, str) else "").date()
    except ValueError:
        raise ValueError("a date as 2024-12-31") from None


def _list(value: object) -> tuple[str, ...]:
    """A text is split at its commas; numbers count as texts; blanks around and doubles go."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, (list, tuple)):
        raise ValueError("a list of texts")
    texts = (_text(each).strip() for each in value)
    return tuple(dict.fromkeys(text for text in texts if text))


_TYPED: dict[Kind, Callable[[object], Value]] = {
    "text": _text,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "date": _date,
    "list": _list,
}
KINDS: tuple[Kind, ...] = tuple(_TYPED)
