"""What a chat model filled in about texts, on its way into the documents' metadata.

`enrichments` says what a text should be described by, a document's `_enrichment` what it is described
by. Where they differ the document is written again: nobody has to remember that it is to be done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import polars as pl

from include.metadata import ENRICHMENT
from include.storage.tables import Tables

NOTHING: Mapping[str, object] = {}


def latest(tables: Tables) -> pl.DataFrame:
    """`name, text_hash, values_id` of what was accepted last about each text."""
    columns = ("name", "text_hash", "values_id", "at")
    rows = tables.enrichments.read(columns, {"state": "accepted"}).sort("at", "name")
    return rows.unique("text_hash", keep="last", maintain_order=True).drop("at")


def stale(tables: Tables) -> pl.Series:
    """Ids of documents that are described by something else than what was accepted last."""
    known = latest(tables)
    if known.is_empty():
        return pl.Series("id", dtype=pl.String())
    wanted = {"text_hash": known["text_hash"].to_list()}
    documents = tables.documents.read(["id", "text_hash", "metadata"], wanted)
    held = documents["metadata"].str.json_path_match(f"$.{ENRICHMENT}").fill_null("")
    both = documents.with_columns(held=held).join(known, on="text_hash")
    return both.filter(pl.col("held") != pl.col("values_id"))["id"].sort()


class Enrichments:
    """What is accepted about the texts of a run."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        known = latest(tables)
        self._names = dict(zip(known["text_hash"], known["name"], strict=True))

    def of(self, text_hash: str) -> Mapping[str, object]:
        """The fields, and under `_enrichment` the name of these values; empty without any."""
        name = self._names.get(text_hash)
        if name is None:
            return NOTHING
        rows = self._tables.enrichments.lookup([name], ["values", "values_id"])
        if rows.is_empty():  # erased a moment ago
            return NOTHING
        row = rows.row(0, named=True)
        return {**json.loads(row["values"]), ENRICHMENT: row["values_id"]}
