"""Rows of an index that are not what they should be: vectors, texts, spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import polars as pl
import pyarrow as pa

from include.storage.scans import ROW, replace_vectors
from include.storage.vector_forms import encoded
from include.verification.chunks import Examined
from include.verification.embeddings import Cached, different, examine_cache
from include.verification.marks import READ_AGAIN, mark_chunks, mark_documents
from include.verification.premises import CHUNKS, Premises
from include.verification.problems import Finding, Repair

_ROWS_PER_COMMIT = 50_000
_DETAILS = {
    "bad_vector": "Its vector holds NaN or infinity, is not of unit length, or has other signs.",
    "wrong_vector": "Its vector is not the one that its text has in the cache.",
    "damaged_chunk": "Its text is not the one that its hash names.",
    "broken_span": "Its span does not slice to its text from the document's text.",
}
_NOT_LIVE = "This index is not live: no sync writes it. Fill it again, or drop it."


def row_findings(
    premises: Premises, examined: Examined, cached: Cached, *, live: bool
) -> Iterator[Finding]:
    """What is wrong with single rows. Vectors come back from the cache, the rest by a sync."""
    chosen = {
        "bad_vector": examined.keys.filter(~pl.col("sound")),
        "wrong_vector": _rows(examined, different(cached, examined)),
        "damaged_chunk": examined.keys.filter(~pl.col("genuine")),
        "broken_span": examined.keys.filter(pl.col("genuine") & ~pl.col("fitting")),
    }
    for kind, rows in chosen.items():
        vectors = kind in ("bad_vector", "wrong_vector")
        for part, free in _by_cache(rows.sort("id"), cached) if vectors else [(rows, False)]:
            if not part.height:
                continue
            subjects = [(name, _detail(kind, examined.index)) for name in part["id"]]
            repair = partial(_restore, premises, examined, part)
            if not free:
                repair = partial(_mark, premises, examined.index, part)
            if free or live:
                yield Finding(kind, subjects, repair)
            else:
                yield Finding(kind, subjects, remedy=_NOT_LIVE)


def _detail(kind: str, index: str) -> str:
    return f"{_DETAILS[kind]} It is in index {index}."


def _rows(examined: Examined, rows: pl.DataFrame) -> pl.DataFrame:
    return examined.keys.join(rows, on=ROW, how="semi")


def _by_cache(rows: pl.DataFrame, cached: Cached) -> list[tuple[pl.DataFrame, bool]]:
    """The rows whose vector the cache has, and the others."""
    genuine = rows.filter("genuine")
    free = genuine.join(cached.sound, on="text_hash", how="semi", maintain_order="left")
    return [(free, True), (rows.join(free, on=ROW, how="anti", maintain_order="left"), False)]


def _restore(premises: Premises, examined: Examined, rows: pl.DataFrame) -> Repair:
    """Writes the cache's vectors into the rows that are still there; an id always has one text."""
    cached = replace(
        examine_cache(premises.database, examined.cache), dimensions=examined.dimensions
    )
    wanted = rows.unique("id").join(cached.sound.select("text_hash", place=ROW), on="text_hash")
    for part in wanted.iter_slices(_ROWS_PER_COMMIT):
        names, vectors = cached.vectors(part["place"].unique().to_list())
        place = dict(zip(names, range(len(names)), strict=True))
        chosen = vectors[[place[text] for text in part["text_hash"]]]
        ids = pa.array(part["id"].to_list(), pa.string())
        columns = encoded(chosen, examined.scan.form)
        replace_vectors(premises.database, CHUNKS + examined.index, ("id", ids), columns)
    return Repair("The cache's vector was put in its place; nothing was embedded.")


def _mark(premises: Premises, index: str, rows: pl.DataFrame) -> Repair:
    """The rows stay as they are until a sync has written better ones."""
    now = premises.store.rows(index, rows["document_id"].unique().to_list())
    unmarked = now.filter(pl.col("row_hash") != "").join(rows, on="id", how="semi")
    mark_chunks(premises, index, unmarked["id"].unique().to_list())
    mark_documents(premises, rows["document_id"].unique().to_list())
    return READ_AGAIN
