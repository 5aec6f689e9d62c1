"""The parsed form of a filter: frozen, typed, independent of any store.

Truth has three values, as in SQL: a comparison with a field that a document lacks is neither true
nor false, and neither is its negation. Only what is true is found; `is null` is never unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from include.metadata import Field, Value

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "contains"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field against values of its own kind: several for `in`, one for the others."""

    field: Field
    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """The document lacks this field."""

    field: Field


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; what is unknown stays unknown."""

    operand: Filter


@dataclass(frozen=True, slots=True)
class All:
    """Every one of two or more."""

    operands: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of two or more."""

    operands: tuple[Filter, ...]


Filter: TypeAlias = Comparison | IsNull | Not | All | Any
