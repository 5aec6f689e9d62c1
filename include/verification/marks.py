"""Marks for the next sync: a marked document is read again and its rows are written anew.

A mark empties what says that nothing has changed. It deletes nothing: what is searchable stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

import polars as pl

from include.documents import document_id
from include.storage.scans import assign
from include.storage.tables import DOCUMENTS
from include.verification.premises import CHUNKS, Premises
from include.verification.problems import Repair

READ_AGAIN = Repair("Marked: the next sync reads the document again.", needs_sync=True)


def mark_documents(premises: Premises, documents: Sequence[str]) -> Repair:
    """The next sync reads these documents whatever their stamps say; gone ones stay gone."""
    columns = ("id", "stamp", "content_hash")
    rows = premises.tables.documents.lookup(list(documents), columns)
    fresh = rows.filter((pl.col("stamp") != "") | (pl.col("content_hash") != ""))
    values = {"stamp": "", "content_hash": ""}
    keys = fresh["id"].unique().to_list()
    assign(premises.database, premises.tables.documents.name, ("id", keys), values)
    return READ_AGAIN


def mark_chunks(premises: Premises, index: str, chunks: Sequence[str]) -> None:
    """The next publish of their documents writes these rows anew, whatever they hold."""
    assign(premises.database, CHUNKS + index, ("id", list(chunks)), {"row_hash": ""})


def adopt(premises: Premises, orphans: pl.DataFrame) -> Repair:
    """Enters documents (`document_id, uri`) that only the index knows into the manifest, marked.

    The next sync reads those that are at the source, and retracts the others as it does with any
    document that is gone. A document that a run records meanwhile keeps the run's row.
    """
    rows = [_row(premises.sources, *row) for row in orphans.iter_rows()]
    if rows:
        empty = pl.DataFrame(schema=pl.DataFrame(DOCUMENTS.empty_table()).schema)
        moment = pl.lit(0).cast(empty.schema["modified"])
        wanted = pl.DataFrame(rows).with_columns(
            *(pl.lit("").alias(name) for name, kind in _missing(empty, rows, pl.String)),
            *(pl.lit(0, kind).alias(name) for name, kind in _missing(empty, rows, pl.Int64)),
            *(pl.lit(0, kind).alias(name) for name, kind in _missing(empty, rows, pl.Int32)),
            *(moment.alias(name) for name, _ in _missing(empty, rows, pl.Datetime)),
        )
        premises.tables.documents.insert_missing(wanted.select(empty.columns))
    return Repair(
        "Entered into the manifest: the next sync completes it, or retracts it if it is gone "
        "from the source.",
        needs_sync=True,
    )


def _missing(
    empty: pl.DataFrame, rows: list[dict[str, str]], kind: type[pl.DataType]
) -> list[tuple[str, pl.DataType]]:
    return [(n, t) for n, t in empty.schema.items() if isinstance(t, kind) and n not in rows[0]]


def _row(sources: Sequence[str], document: str, uri: str) -> dict[str, str]:
    """What the manifest can know of a document from its address: its source, key and file.

    An address that belongs to no source is kept as a file of its own, which no listing has.
    """
    for source in sources:
        file, _, record = uri.removeprefix(f"{source}/").partition("#")
        key = unquote(file, errors="surrogateescape")
        whole = f"{key}#{unquote(record)}" if record else key
        if document_id(source, whole) == document:
            file_id = document_id(source, key)
            return {
                "id": document, "file_id": file_id, "source": source, "key": whole, "uri": uri,
                "metadata": "{}",
            }  # fmt: skip
    return {
        "id": document, "file_id": document, "source": "", "key": uri, "uri": uri, "metadata": "{}",
    }  # fmt: skip
