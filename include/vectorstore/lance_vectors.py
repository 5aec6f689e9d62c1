"""The nearest chunks of a LanceDB table, whatever the form of its vectors.

float32 and float16 are compared by LanceDB itself. It cannot compare int8, and of bits it knows only how
many differ. So both are searched in two steps: OVERSAMPLE times as many as asked for by their signs, and
of these the nearest by what is stored, against the question's whole vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from include.embedding.protocol import FloatArray
from include.storage.scans import ROW
from include.storage.vector_forms import VECTOR, Form, decoded, encoded, form_of, signs
from include.vectorstore.lance_indexes import PROBES, REFINE, searched
from include.vectorstore.ranking import HIT_COLUMNS

if TYPE_CHECKING:
    from lancedb.expr import Expr
    from lancedb.query import LanceVectorQueryBuilder
    from lancedb.table import Table

OVERSAMPLE = 10
# Partitions of signs are coarser than those of vectors, and quickly read. At 200,000 chunks 20 find 0.78
# of the nearest, 50 and more all of them, in the same 6-7 ms of a CPU.
_PROBES_OF_SIGNS = 100

Scored = Iterator[tuple[Mapping[str, Any], float]]


def nearest(table: Table, vector: FloatArray, k: int, where: Expr | None) -> Scored:
    """At least the `k` nearest rows that `where` lets through, with their cosines, in any order."""
    if form_of(table.schema) in ("int8", "binary"):
        return _by_signs(table, vector, k, where)
    query = _query(table, vector, where).distance_type("cosine").refine_factor(REFINE).limit(k)
    found = query.select([*HIT_COLUMNS, "_distance"]).to_arrow().to_pylist()
    return ((row, 1.0 - row["_distance"]) for row in found)


def in_form(rows: pa.Table, form: Form) -> pa.Table:
    """The rows with their float32 vectors as a table of this form has them."""
    if form == "float32":
        return rows
    columns = encoded(decoded(rows[VECTOR]), form)
    rows = rows.drop_columns([VECTOR])
    for name, column in columns.items():
        rows = rows.append_column(pa.field(name, column.type, nullable=False), column)
    return rows


def _by_signs(table: Table, vector: FloatArray, k: int, where: Expr | None) -> Scored:
    query = _query(table, signs(vector[None, :])[0], where, _PROBES_OF_SIGNS)
    query = query.distance_type("hamming")
    # Lance warns of a search that does not select its distance.
    query = query.limit(k * OVERSAMPLE).select(["id", VECTOR, "_distance"]).with_row_id(True)
    found = query.to_arrow()
    scores = decoded(found[VECTOR]) @ (vector / np.linalg.norm(vector))
    best = np.argsort(-scores, kind="stable")[:k]
    named = found.select(["id", ROW]).take(best)
    score = dict(zip(named["id"].to_pylist(), scores[best].tolist(), strict=True))
    # Only of the best are the texts read: most candidates are none of them.
    rows = table.take_row_ids(named[ROW].to_pylist()).select([*HIT_COLUMNS]).to_arrow()
    return ((row, score[row["id"]]) for row in rows.to_pylist())


def _query(
    table: Table, vector: Any, where: Expr | None, probes: int = PROBES
) -> LanceVectorQueryBuilder:
    query = table.search(vector, query_type="vector", vector_column_name=searched(table))
    query = query.nprobes(probes)
    if where is None:
        return query
    # Without an upper bound, a search goes on until it has found as many as asked for.
    return query.where(where, prefilter=True).maximum_nprobes(0)
