"""When the full-text and vector indexes of a LanceDB table are built, and when they are renewed.

Rows that no index covers are found all the same, by reading them: these indexes are about time,
never about results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.storage.vector_forms import SIGNS, VECTOR, form_of

if TYPE_CHECKING:
    from lancedb.table import Table

# Exact vector search takes 55 ms at this size. Above it IVF_RQ, with the vectors themselves
# deciding among REFINE times as many candidates: without that recall@10 falls to 0.35.
_EXACT_ROWS = 100_000
PROBES, REFINE = 20, 10
# A text query reads every row that the index does not cover: about 50 µs each. Renewing it costs
# about 1 s for every 20,000 rows of the table, so it waits until a query would gain 50 ms.
_UNINDEXED_ROWS = 1_000
_SMALL_FILES = 50


def ensure_text_indexes(table: Table, columns: tuple[str, ...]) -> None:
    """Builds the full-text indexes that do not exist."""
    for column in columns:
        if _name(table, column) is None:
            build_text_index(table, column)


def build_text_index(table: Table, column: str) -> None:
    """Builds a BM25 index over all rows, in place of the one there is.

    English stemming and stop words; no positions, so no phrase queries, at half the size.
    """
    from lancedb.index import FTS

    config = FTS(stem=True, remove_stop_words=True, with_position=False)
    table.create_index(column, config=config, replace=True)


def ensure_vector_index(table: Table) -> None:
    """Builds the vector index of a table that has outgrown exact search."""
    if table.count_rows() > _EXACT_ROWS and _name(table, searched(table)) is None:
        _build_vector_index(table, searched(table))


def searched(table: Table) -> str:
    """The column that a vector search looks at first."""
    return SIGNS if form_of(table.schema) == "int8" else VECTOR


def rebuild(table: Table) -> None:
    """Builds every full-text and vector index anew from the rows there are now, in its place."""
    for index in table.list_indices():
        if index.index_type == "FTS":
            build_text_index(table, index.columns[0])
        elif index.columns == [searched(table)]:
            _build_vector_index(table, searched(table))


def is_mostly_unindexed(table: Table, column: str) -> bool:
    """Whether building the full-text index anew costs less than adding to it."""
    return unindexed(table, column) * 2 > int(table.count_rows())


def is_due(table: Table, column: str) -> bool:
    """Whether searches would gain from compaction and an update of the indexes."""
    files = int(table.stats()["fragment_stats"]["num_small_fragments"])
    return files > _SMALL_FILES or unindexed(table, column) > _UNINDEXED_ROWS


def lagging(table: Table, texts: tuple[str, ...]) -> dict[str, int]:
    """Columns whose index is missing or behind so far that searches would gain, with its rows."""
    large = int(table.count_rows()) > _EXACT_ROWS
    wanted = [*texts, searched(table)] if large else [*texts]
    behind = {column: unindexed(table, column) for column in wanted}
    return {
        column: rows
        for column, rows in behind.items()
        if rows > _UNINDEXED_ROWS or _name(table, column) is None
    }


def unindexed(table: Table, column: str) -> int:
    """How many rows no index on the column covers."""
    name = _name(table, column)
    statistics = table.index_stats(name) if name else None
    return int(statistics.num_unindexed_rows if statistics else table.count_rows())


def _build_vector_index(table: Table, column: str) -> None:
    from lancedb.index import IvfFlat, IvfRq

    # Signs are one bit each already: there is nothing to quantise.
    signs = form_of(table.schema) in ("int8", "binary")
    config = IvfFlat(distance_type="hamming") if signs else IvfRq(distance_type="cosine")
    table.create_index(column, config=config, replace=True)


def _name(table: Table, column: str) -> str | None:
    return next((str(i.name) for i in table.list_indices() if i.columns == [column]), None)
