"""Forgetting queries: those beyond the retention, and whatever was made of one that is gone.

A query leaves a line in the log, a vector in a cache of its own, and perhaps a row in the page of an
evaluation. The log decides: what is no longer in it goes from the other two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from include.documents import text_hash
from include.embedding.queries import TABLES
from include.evaluation.quoting import quoted, without_quotes
from include.observability.log import stage
from include.stages.forget import column
from include.storage.history import delete_among
from include.storage.lake import Lake
from include.storage.query_log import QueryLog

if TYPE_CHECKING:
    from include.storage.lance import LanceDatabase

PAGES = "evaluations"


@dataclass(frozen=True, slots=True)
class ForgottenQueries:
    """How many segments of the log, vectors of queries and quotations in pages were removed."""

    segments: int
    vectors: int
    quotes: int


def forget_queries(
    lake: Lake, database: LanceDatabase, log: QueryLog, *, before: date
) -> ForgottenQueries:
    """Deletes the log of earlier days, and what no query of the rest accounts for."""
    with stage("forget_queries") as event:
        segments = log.segments.forget(before)
        vectors, quotes = forget_unlogged(lake, database, log)
        event |= {"segments": segments, "vectors": vectors, "quotes": quotes}
    return ForgottenQueries(segments, vectors, quotes)


def forget_unlogged(lake: Lake, database: LanceDatabase, log: QueryLog) -> tuple[int, int]:
    """Deletes vectors and quotations of queries that the log does not have; how many of each."""
    texts, hashes = set(), set()
    for query in log.queries(date.min):
        hashes.add(query.hash)
        texts.add(text_hash(query.text))
    vectors = 0
    for name in database.names():
        if name.startswith(TABLES):
            unknown = sorted(set(column(database, name, "text_hash")) - texts)
            vectors += delete_among(database, name, "text_hash", unknown)
    return vectors, _unquote(lake, hashes)


def _unquote(lake: Lake, known: set[str]) -> int:
    removed = 0
    for page in lake.files.list(PAGES):
        raw = lake.files.read(page.path) or b""
        gone = quoted(raw) - known
        if gone:
            lake.objects.write(page.path, without_quotes(raw, gone))
            removed += len(gone)
    return removed
