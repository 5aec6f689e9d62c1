"""Which passages are asked about: every document once before any twice, in an order that a seed decides.

Pure: the order of the rows does not matter, and the same documents and seed give the same passages.
"""

from __future__ import annotations

import polars as pl

from include.documents import digest
from include.golden.checks import MOST_DOCUMENTS


def sample(chunks: pl.DataFrame, known: pl.Series, count: int, seed: int) -> pl.DataFrame:
    """At most so many rows of `id, document_id, text_hash`, whose texts are not among `known`.

    Of a text that several documents have one row is taken, of one that many have none. What is known
    counts as its document's turn: a second sample goes on where the first one ended.
    """
    spread = chunks.group_by("text_hash").agg(documents=pl.col("document_id").n_unique())
    rare = spread.filter(pl.col("documents") <= MOST_DOCUMENTS)
    rows = chunks.join(rare, on="text_hash", how="semi").with_columns(
        chance=_chances(chunks.join(rare, on="text_hash", how="semi")["id"], seed)
    )
    rows = rows.sort("chance").unique("text_hash", keep="first", maintain_order=True)
    rows = rows.with_columns(turn=pl.int_range(pl.len()).over("document_id"))
    rows = rows.sort("turn", "chance").filter(~pl.col("text_hash").is_in(known.implode()))
    return rows.head(count).select(chunks.columns)


def _chances(ids: pl.Series, seed: int) -> pl.Series:
    return pl.Series([digest("passage", str(seed), each) for each in ids], dtype=pl.String)
