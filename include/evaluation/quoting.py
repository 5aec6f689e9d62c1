"""Queries that a page quotes, marked so that each can be taken out of it again. Pure."""

from __future__ import annotations

import re
from collections.abc import Set

_QUOTED = re.compile(rb"<!--query ([0-9a-f]{32})-->.*?<!--/query-->", re.DOTALL)


def quote(html: str, name: str) -> str:
    """The part of a page that quotes the query of this hash; its text is escaped already."""
    return f"<!--query {name}-->{html}<!--/query-->"


def quoted(page: bytes) -> set[str]:
    """The hashes of the queries that a page quotes."""
    return {name.decode() for name in _QUOTED.findall(page)}


def without_quotes(page: bytes, names: Set[str]) -> bytes:
    """The page without what quotes these queries."""
    return _QUOTED.sub(lambda found: b"" if found[1].decode() in names else found[0], page)
