"""Rules: what a column may hold, declared once.

Each rule tells a Polars expression which rows break it, and names the Great Expectations
expectation that says the same; a test compares the two. A missing value breaks only `Present`,
as in Great Expectations: every other rule passes over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import polars as pl

Expectation = tuple[str, Mapping[str, object]]


class Rule(Protocol):
    """A condition on every row of a table; `reason` is the stable code of its failure."""

    @property
    def reason(self) -> str:
        """The code under which a broken row is quarantined."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns looked at."""
        ...

    def broken(self) -> pl.Expr:
        """True, never null, for each row that breaks the rule."""
        ...

    def expected(self) -> str:
        """What the row should hold, to follow "expected"."""
        ...

    def expectation(self) -> Expectation:
        """The class in `great_expectations.expectations` that says the same, and its arguments."""
        ...


@dataclass(frozen=True, slots=True)
class Present:
    """The column has a value in every row."""

    column: str
    reason: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def broken(self) -> pl.Expr:
        """No value."""
        return pl.col(self.column).is_null()

    def expected(self) -> str:
        """Any value."""
        return "a value"

    def expectation(self) -> Expectation:
        """Not null."""
        return "ExpectColumnValuesToNotBeNull", {"column": self.column}


@dataclass(frozen=True, slots=True)
class Unique:
    """No two rows share a value; all rows that do are broken."""

    column: str
    reason: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def broken(self) -> pl.Expr:
        """A value that occurs again."""
        column = pl.col(self.column)
        return column.is_not_null() & column.is_duplicated()

    def expected(self) -> str:
        """Uniqueness."""
        return "a value that no other row has"

    def expectation(self) -> Expectation:
        """Unique."""
        return "ExpectColumnValuesToBeUnique", {"column": self.column}


@dataclass(frozen=True, slots=True)
class Between:
    """The value lies between `low` and `high`, both allowed; None leaves that side open."""

    column: str
    reason: str
    low: float | None = None
    high: float | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def broken(self) -> pl.Expr:
        """Outside the bounds."""
        column = pl.col(self.column)
        outside = pl.lit(False)
        if self.low is not None:
            outside = outside | (column < self.low)
        if self.high is not None:
            outside = outside | (column > self.high)
        return outside.fill_null(False)

    def expected(self) -> str:
        """The bounds."""
        if self.low is not None and self.low == self.high:
            return f"{self.low:.12g}"
        bounds = [("at least", self.low), ("at most", self.high)]
        return " and ".join(f"{word} {bound:.12g}" for word, bound in bounds if bound is not None)

    def expectation(self) -> Expectation:
        """Between."""
        bounds = {"min_value": self.low, "max_value": self.high}
        return "ExpectColumnValuesToBeBetween", {"column": self.column} | {
            name: bound for name, bound in bounds.items() if bound is not None
        }


@dataclass(frozen=True, slots=True)
class Same:
    """The column equals another one."""

    column: str
    reason: str
    other: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Both columns."""
        return (self.column, self.other)

    def broken(self) -> pl.Expr:
        """Different."""
        return (pl.col(self.column) != pl.col(self.other)).fill_null(False)

    def expected(self) -> str:
        """The relation."""
        return f"as many as its {self.other}"

    def expectation(self) -> Expectation:
        """An equal pair."""
        return "ExpectColumnPairValuesToBeEqual", _pair(self.column, self.other)


def _pair(column: str, other: str) -> Mapping[str, object]:
    return {"column_A": column, "column_B": other, "ignore_row_if": "either_value_is_missing"}
