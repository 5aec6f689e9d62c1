"""A scope as an expression of LanceDB: built from values, so that no value is ever syntax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from include.errors import ConfigurationError
from include.filters import All, Comparison, Filter, IsNull, Not, Scope
from include.metadata import Field
from include.vectorstore.lance_fields import ACL, column, marked

if TYPE_CHECKING:
    from lancedb.expr import Expr
    from lancedb.table import Table

Join = Callable[["Expr", "Expr"], "Expr"]


def where(scope: Scope, index: str, table: Table) -> Expr | None:
    """What is true of every chunk in scope; None when all are.

    Raises ConfigurationError when the index has no column for it yet.
    """
    parts = []
    if scope.principals is not None:
        parts.append(_readable(sorted(scope.principals)))
    if scope.filter is not None:
        parts.append(_filter(scope.filter))
    if not parts:
        return None
    _refuse_missing(_columns(scope) - set(table.schema.names), index)
    return _all(parts)


def _refuse_missing(missing: set[str], index: str) -> None:
    if missing:
        raise ConfigurationError(
            f"The index {index!r} has no column {', '.join(sorted(missing))} to filter on yet: "
            f"run `python -m include sync`, which adds it and embeds nothing for it."
        )


def _columns(scope: Scope) -> set[str]:
    own = {ACL} if scope.principals is not None else set()
    return own | ({column(field) for field in _fields(scope.filter)} if scope.filter else set())


def _readable(principals: Sequence[str]) -> Expr:
    from lancedb.expr import col, func, lit

    held = [func("contains", col(ACL), lit(marked(label))) for label in principals]
    return _any([col(ACL) == lit(""), *held])


def _filter(chosen: Filter, *, negated: bool = False) -> Expr:
    """Negation is carried down to the comparisons, where unknown and false come to the same.

    Higher up they would not, and the planner mixes them: of two `in` without a common value it
    makes false, also for a row without the field.
    """
    if isinstance(chosen, Not):
        return _filter(chosen.operand, negated=not negated)
    if isinstance(chosen, Comparison):
        return _not(chosen) if negated else _comparison(chosen)
    if isinstance(chosen, IsNull):
        return ~_is_null(chosen.field) if negated else _is_null(chosen.field)
    parts = [_filter(operand, negated=negated) for operand in chosen.operands]
    return _all(parts) if isinstance(chosen, All) is not negated else _any(parts)


def _comparison(comparison: Comparison) -> Expr:
    from lancedb.expr import col, func, lit

    held, values = col(column(comparison.field)), comparison.values
    if comparison.operator == "in":
        return held.isin(values)
    if comparison.operator == "contains":
        return func("contains", held, lit(marked(cast(str, values[0]))))
    compared: dict[str, Callable[[Expr], Expr]] = {
        "=": held.__eq__,
        "!=": held.__ne__,
        "<": held.__lt__,
        "<=": held.__le__,
        ">": held.__gt__,
        ">=": held.__ge__,
    }
    return compared[comparison.operator](lit(values[0]))


def _not(comparison: Comparison) -> Expr:
    """True where the field has a value of which the comparison is false."""
    return ~_comparison(comparison) & ~_is_null(comparison.field)


def _is_null(field: Field) -> Expr:
    """The expressions know no `is null`, but concat makes an empty text of an unknown truth."""
    from lancedb.expr import col, func, lit

    held = col(column(field))
    return func("concat", (held == held).cast("string")) == lit("")


def _all(parts: Sequence[Expr]) -> Expr:
    return _balanced(parts, lambda one, other: one & other)


def _any(parts: Sequence[Expr]) -> Expr:
    return _balanced(parts, lambda one, other: one | other)


def _balanced(parts: Sequence[Expr], join: Join) -> Expr:
    """All parts joined as a flat tree: a deep one would overflow the planner's stack."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return join(_balanced(parts[:half], join), _balanced(parts[half:], join))


def _fields(chosen: Filter) -> set[Field]:
    if isinstance(chosen, (Comparison, IsNull)):
        return {chosen.field}
    if isinstance(chosen, Not):
        return _fields(chosen.operand)
    return set().union(*map(_fields, chosen.operands))
