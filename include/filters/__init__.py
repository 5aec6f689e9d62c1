"""Filters: what a search is narrowed to. Parsed into values, never pasted into a query language."""

from include.filters.evaluate import admits
from include.filters.parser import parse_filter
from include.filters.scope import EVERYTHING, Scope
from include.filters.syntax import All, Comparison, Filter, IsNull, Not

__all__ = [
    "EVERYTHING",
    "All",
    "Comparison",
    "Filter",
    "IsNull",
    "Not",
    "Scope",
    "admits",
    "parse_filter",
]
