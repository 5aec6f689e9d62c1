"""Suites: which rules documents, chunks and vectors must keep, and the facts they are judged by.

Facts are small columns computed with Polars; no text and no vector goes further than here. A
missing number becomes -1, which breaks its bounds. Rules are few on purpose: each costs Great
Expectations some 20 CPU milliseconds a run, and more in the company of many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from include.embedding.protocol import FloatArray
from include.quality.rules import Between, Present, Rule, Same, Unique

NORM_TOLERANCE = 1e-3
_GARBAGE = r"[[\p{Cc}\p{Co}\x{FFFD}]&&[^\t\n\r]]"


@dataclass(frozen=True, slots=True)
class Suite:
    """The rules of one kind of row, and how many rows the plan promised (None: not known)."""

    name: str
    rules: tuple[Rule, ...]
    planned: int | None = None

    @property
    def columns(self) -> list[str]:
        """The fact columns that the rules look at, each once, in the order of the rules."""
        return list(dict.fromkeys(name for rule in self.rules for name in rule.columns))


def document_suite(*, max_garbage: float, planned: int | None) -> Suite:
    """Rules over `document_facts`."""
    rules: tuple[Rule, ...] = (
        Unique("id", "duplicate_id"),
        Between("characters", "empty_text", low=1),
        Between("garbage_share", "garbage_text", high=max_garbage),
        Between("chunks", "no_chunks", low=1),
        Same("chunk_rows", "chunk_count", "chunks"),
    )
    return Suite("documents", rules, planned)


def chunk_suite(*, max_tokens: int, planned: int | None) -> Suite:
    """Rules over `chunk_facts`."""
    rules: tuple[Rule, ...] = (
        Unique("id", "duplicate_chunk"),
        Between("known", "unknown_document", low=1),
        Between("readable", "empty_chunk", low=1),
        Between("tokens", "token_count", low=1, high=max_tokens),
        Between("start", "bad_span", low=0),
        Same("characters", "bad_span", "span"),
    )
    return Suite("chunks", rules, planned)


def vector_suite(*, dimensions: int, planned: int | None) -> Suite:
    """Rules over `vector_facts`."""
    rules: tuple[Rule, ...] = (
        Present("id", "bad_vector"),
        Unique("id", "duplicate_vector"),
        Between("dimensions", "bad_vector", low=dimensions, high=dimensions),
        Present("norm", "bad_vector"),
        Between("norm", "bad_vector", low=1 - NORM_TOLERANCE, high=1 + NORM_TOLERANCE),
    )
    return Suite("vectors", rules, planned)


def garbage_share(text: pl.Expr) -> pl.Expr:
    """The share, 0 to 1, of control, private-use and replacement characters; 0 of nothing.

    Tab, line feed and carriage return are not counted.
    """
    length = text.str.len_chars()
    return pl.when(length > 0).then(text.str.count_matches(_GARBAGE) / length).otherwise(0.0)


def document_facts(documents: pl.LazyFrame, chunks: pl.DataFrame) -> pl.DataFrame:
    """`id, uri, characters, garbage_share, chunks, chunk_rows` of rows with `id, uri, text, chunks`.

    `characters` are those of the text without surrounding white space. `chunk_rows` are counted
    in `chunks`, by `document_id`.
    """
    text = pl.col("text")
    facts = documents.select(
        "id",
        "uri",
        characters=text.str.strip_chars().str.len_chars().cast(pl.Int64).fill_null(-1),
        garbage_share=garbage_share(text),
        chunks=pl.col("chunks").cast(pl.Int64).fill_null(-1),
    ).collect(engine="streaming")
    counted = chunks.group_by("document_id").agg(chunk_rows=pl.len().cast(pl.Int64))
    return facts.join(
        counted, left_on="id", right_on="document_id", how="left", maintain_order="left"
    ).with_columns(pl.col("chunk_rows").fill_null(0))


def chunk_facts(chunks: pl.LazyFrame, document_ids: pl.LazyFrame) -> pl.DataFrame:
    """`id, document_id, start, end, tokens, characters, span, readable, known` of CHUNKS rows.

    `readable` counts the characters but surrounding white space; `known` is 1 where the document
    is among `document_ids` (a frame of `id`), else 0.
    """
    text = pl.col("text")
    known = document_ids.select("id").drop_nulls().unique().collect()["id"].implode()
    return chunks.select(
        "id",
        "document_id",
        *(pl.col(name).cast(pl.Int64).fill_null(-1) for name in ("start", "end", "tokens")),
        characters=text.str.len_chars().cast(pl.Int64).fill_null(-1),
        span=(pl.col("end").cast(pl.Int64) - pl.col("start")).fill_null(-2),
        readable=text.str.strip_chars().str.len_chars().cast(pl.Int64).fill_null(-1),
        known=pl.col("document_id").is_in(known).cast(pl.Int64).fill_null(0),
    ).collect(engine="streaming")


def vector_facts(ids: Sequence[str], vectors: FloatArray) -> pl.DataFrame:
    """`id, dimensions, norm` of vectors of shape (len(ids), dimensions).

    `norm` is null where the vector has a value that is not finite. Raises ValueError when there
    are not as many vectors as ids.
    """
    if vectors.ndim != 2 or len(vectors) != len(ids):
        raise ValueError(f"expected {len(ids)} vectors, one per id, got shape {vectors.shape}")
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return pl.DataFrame(
        {"id": list(ids), "norm": norms}, schema={"id": pl.String, "norm": pl.Float64}
    ).select(
        "id",
        dimensions=pl.lit(vectors.shape[1], pl.Int64),
        norm=pl.when(pl.col("norm").is_finite()).then("norm"),
    )
