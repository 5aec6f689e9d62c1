"""A filter applied to one row in Python: the meaning that every store has to agree with."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any as Untyped
from typing import cast

from include.filters.syntax import All, Any, Comparison, Filter, IsNull, Not
from include.metadata import Field, Value

Values = Callable[[Field], Value | None]
Truth = bool | None

_COMPARED: dict[str, Callable[[Untyped, Untyped], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def admits(chosen: Filter, values: Values) -> bool:
    """Whether the filter is true of the row whose fields `values` gives."""
    return _truth(chosen, values) is True


def _truth(chosen: Filter, values: Values) -> Truth:
    if isinstance(chosen, Comparison):
        return _compared(chosen, values(chosen.field))
    if isinstance(chosen, IsNull):
        return values(chosen.field) is None
    if isinstance(chosen, Not):
        truth = _truth(chosen.operand, values)
        return None if truth is None else not truth
    return _joined(chosen, [_truth(operand, values) for operand in chosen.operands])


def _joined(chosen: All | Any, truths: list[Truth]) -> Truth:
    """A single false decides `and`, a single true `or`; otherwise one unknown makes it unknown."""
    deciding = isinstance(chosen, Any)
    if deciding in truths:
        return deciding
    return None if None in truths else not deciding


def _compared(comparison: Comparison, value: Value | None) -> Truth:
    if value is None:
        return None
    if comparison.operator == "in":
        return value in comparison.values
    if comparison.operator == "contains":
        return comparison.values[0] in cast(tuple[str, ...], value)
    return _COMPARED[comparison.operator](value, comparison.values[0])


def mapped(values: Mapping[str, Value | None]) -> Values:
    """Fields looked up by name."""
    return lambda field: values[field.name]
