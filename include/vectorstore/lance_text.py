"""The texts of a LanceDB table that a search reads: their column, and what BM25 finds in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.vectorstore.ranking import HIT_COLUMNS, TITLE_BOOST, searchable

if TYPE_CHECKING:
    from lancedb.expr import Expr
    from lancedb.table import Table

SEARCHABLE = pa.field("searchable", pa.string(), nullable=False)
INDEXED = (SEARCHABLE.name, "title")
"""The columns that have a full-text index."""


def with_searchable(rows: pa.Table) -> pa.Table:
    """The rows with the text that searches read."""
    columns = (rows[name].to_pylist() for name in ("title", "heading", "text"))
    return rows.append_column(SEARCHABLE, pa.array(map(searchable, *columns), pa.string()))


def matching(
    table: Table, query: str, k: int, where: Expr | None
) -> Iterator[tuple[Mapping[str, Any], float]]:
    """The `k` best rows that `where` lets through, with their BM25 scores, in any order.

    Any text is a query; none of it is syntax.
    """
    from lancedb.query import BooleanQuery, MatchQuery, Occur

    words = query.encode("utf-8", "replace").decode()
    parts = [
        (Occur.SHOULD, MatchQuery(words, SEARCHABLE.name)),
        (Occur.SHOULD, MatchQuery(words, "title", boost=TITLE_BOOST)),
    ]
    search = table.search(BooleanQuery(parts), query_type="fts").limit(k)
    if where is not None:
        search = search.where(where, prefilter=True)
    found = search.select([*HIT_COLUMNS, "_score"]).to_arrow().to_pylist()
    return ((row, row["_score"]) for row in found)
