"""Manifest and index: every document's rows, in its version, and no others.

A run publishes chunks first and writes the manifest afterwards. A run killed in between leaves
`stale_chunks` and `orphan_chunks` that the next sync completes, as it does after a repair.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

import polars as pl

from include.storage.scans import ROW
from include.verification.chunks import Examined
from include.verification.marks import adopt, mark_chunks, mark_documents
from include.verification.premises import Held, Premises, listed
from include.verification.problems import Finding, Repair

_DETAILS = {
    "stale_chunks": "The index holds {held} chunks of another version than the manifest's.",
    "missing_chunks": "The index holds {held} of its {chunks} chunks.",
    "surplus_chunks": "The index holds {held} chunks of it, the manifest says {chunks}.",
}


def agreement_findings(premises: Premises, held: Held, examined: Examined) -> Iterator[Finding]:
    """How the live index and the manifest differ; looked at twice, for a sync may be running."""
    counts = _counts(premises)
    disagree = _disagreeing(held.manifest, examined.keys, counts)
    now = _again(premises, examined.index, disagree["document_id"].to_list())
    disagree = _disagreeing(*now, counts)
    for kind, sentence in _DETAILS.items():
        found = disagree.filter(kind=kind).sort("uri")
        subjects = [(row["uri"], sentence.format(**row)) for row in found.iter_rows(named=True)]
        documents = found["document_id"].to_list()
        if subjects:
            yield Finding(kind, subjects, partial(_mark, premises, examined.index, documents))
    orphans = _addressed(examined, disagree.filter(kind="orphan_chunks"))
    if orphans.height:
        detail = pl.lit("The index holds chunks of it, the manifest does not know it.")
        subjects = listed(orphans.select(subject="uri", detail=detail))
        orphans = orphans.select("document_id", "uri")
        yield Finding("orphan_chunks", subjects, partial(_adopt, premises, examined.index, orphans))


def _counts(premises: Premises) -> bool:
    """Whether the manifest's counts of chunks are those of the live index.

    They are of the index into which a document was ingested: after a switch, perhaps of another.
    """
    entries = premises.registry.read()
    live = entries.in_state("live")
    return entries.in_state("previous") is None and (live is None or live.promotion is None)


def _disagreeing(manifest: pl.DataFrame, keys: pl.DataFrame, counts: bool) -> pl.DataFrame:
    """`document_id, uri, chunks, held, kind` of documents that differ; `uri` is null for orphans.

    Without `counts` only whether there are chunks is compared, not how many.
    """
    versions = manifest.select("document_id", "known_version")
    rows = keys.join(versions, on="document_id", how="left").select(
        "id", "document_id", current=pl.col("version") == pl.col("known_version")
    )
    # Of an id that is there twice, a good row counts: the other is a problem of its own.
    rows = rows.sort("current").unique("id", keep="last")
    counted = rows.group_by("document_id").agg(held=pl.len(), stale=~pl.col("current").all())
    both = manifest.select("document_id", "uri", "chunks").join(
        counted, on="document_id", how="full", coalesce=True
    )
    there, said = pl.col("held").fill_null(0), pl.col("chunks")
    if not counts:
        there, said = there.clip(upper_bound=1), said.clip(upper_bound=1)
    kind = (
        pl.when(pl.col("chunks").is_null())
        .then(pl.lit("orphan_chunks"))
        .when("stale")
        .then(pl.lit("stale_chunks"))
        .when(there < said)
        .then(pl.lit("missing_chunks"))
        .when(there > said)
        .then(pl.lit("surplus_chunks"))
    )
    return both.with_columns(pl.col("held").fill_null(0), kind=kind).drop_nulls("kind")


def _again(
    premises: Premises, index: str, documents: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The newest manifest rows and chunks of these documents; chunks first, as runs write them."""
    keys = premises.store.rows(index, documents)
    columns = ("id", "uri", "version", "chunks")
    manifest = premises.tables.documents.lookup(documents, columns).unique("id", keep="last")
    return manifest.rename({"id": "document_id", "version": "known_version"}), keys


def _addressed(examined: Examined, orphans: pl.DataFrame) -> pl.DataFrame:
    """`document_id, uri` of orphans, by their chunks."""
    first = examined.keys.join(orphans, on="document_id", how="semi").unique("document_id")
    found = examined.scan.take(first[ROW].to_list(), ["document_id", "uri"])
    return cast(pl.DataFrame, pl.from_arrow(found)).sort("uri")


def _mark(premises: Premises, index: str, documents: list[str]) -> Repair:
    manifest, keys = _again(premises, index, documents)
    still = _disagreeing(manifest, keys, _counts(premises)).filter(pl.col("chunks").is_not_null())
    stale = keys.join(manifest, on="document_id").filter(
        (pl.col("version") != pl.col("known_version")) & (pl.col("row_hash") != "")
    )
    mark_chunks(premises, index, stale["id"].unique().to_list())
    return mark_documents(premises, still["document_id"].to_list())


def _adopt(premises: Premises, index: str, orphans: pl.DataFrame) -> Repair:
    now = _again(premises, index, orphans["document_id"].to_list())
    still = _disagreeing(*now, _counts(premises))
    still = orphans.join(still.filter(kind="orphan_chunks"), on="document_id", how="semi")
    return adopt(premises, still)
