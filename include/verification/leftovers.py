"""What a run, a deletion or a review left behind, and texts that documents lack."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import polars as pl

from include.errors import LakeError
from include.stages.forget import forget_unused
from include.storage.keyed import KeyedTable
from include.verification.marks import READ_AGAIN, mark_documents
from include.verification.premises import Held, Premises
from include.verification.problems import Finding, Repair
from include.verification.spans import Texts

_HASHES_IN_DETAIL = 3


def text_findings(premises: Premises, held: Held, texts: Texts) -> Iterator[Finding]:
    """Documents without their text, and texts that are not what their hash names."""
    documents = held.manifest.select("document_id", "uri", text_hash="document_text").sort("uri")
    # A document that a repair entered into the manifest has no text yet.
    absent = documents.filter(pl.col("text_hash") != "").join(
        texts.keys, on="text_hash", how="anti", maintain_order="left"
    )
    if absent.height:
        subjects = [(uri, "The lake does not hold its text.") for uri in absent["uri"]]
        ids = absent["document_id"].to_list()
        yield Finding("missing_text", subjects, partial(mark_documents, premises, ids))
    damaged = texts.damaged().sort("text_hash")
    if damaged.height:
        subjects = [
            (name, "Its text is another than this hash names.") for name in damaged["text_hash"]
        ]
        ids = documents.join(damaged, on="text_hash", how="semi")["document_id"].to_list()
        names = damaged["text_hash"].to_list()
        yield Finding("damaged_text", subjects, partial(_replace_texts, premises, ids, names))


def quarantine_findings(premises: Premises) -> Iterator[Finding]:
    """Documents in quarantine although this very version of them was indexed afterwards."""
    settled = _settled(premises)
    if settled.height:
        detail = "It is in quarantine, and was indexed since then in this very version."
        subjects = [(uri, detail) for uri in settled["uri"]]
        yield Finding("settled_quarantine", subjects, partial(_settle, premises))
    stray = _stray(premises)
    if stray:
        subjects = [
            (name, "A decision about a document that nobody knows any more.") for name in stray
        ]
        yield Finding("stray_review", subjects, partial(_drop_reviews, premises))


def unreferenced_findings(premises: Premises) -> Iterator[Finding]:
    """Texts and signatures that no document and no run refers to."""
    for kind, table in (
        ("unreferenced_text", premises.tables.texts),
        ("unreferenced_signature", premises.tables.signatures),
    ):
        unused = _unused(premises, table)
        if unused:
            some = ", ".join(unused[:_HASHES_IN_DETAIL])
            detail = f"{len(unused)} rows are of no document ({some}{', …' * (len(unused) > _HASHES_IN_DETAIL)})."
            yield Finding(kind, [(table.name, detail)], partial(_prune, premises, table))


def run_findings(premises: Premises) -> Iterator[Finding]:
    """Artifacts of runs that wrote nothing within the retention."""
    old = premises.lake.runs_before(premises.before)
    if old:
        subjects = [(name, "Its artifacts are older than the retention.") for name in old]
        yield Finding("leftover_run", subjects, partial(_remove_runs, premises))


def _replace_texts(premises: Premises, documents: list[str], hashes: list[str]) -> Repair:
    """Marks first: a document whose text is gone must be read again, whatever happens next."""
    mark_documents(premises, documents)
    premises.tables.texts.delete(hashes)
    return READ_AGAIN if documents else Repair("It was deleted.")


def _settled(premises: Premises) -> pl.DataFrame:
    """`id, uri` of documents refused first and ingested later; a later refusal is a new judgement."""
    tables = premises.tables
    refused = tables.quarantine.read(["id", "uri", "version", "last_seen"]).unique("id")
    dropped = tables.reviews.read(["id"], {"decision": "drop"})
    known = tables.documents.read(["id", "version", "ingested"]).unique("id")
    both = refused.filter(pl.col("version") != "").join(known, on=["id", "version"])
    later = both.filter(pl.col("ingested") >= pl.col("last_seen"))
    return later.join(dropped, on="id", how="anti").select("id", "uri").sort("uri")


def _settle(premises: Premises) -> Repair:
    premises.tables.quarantine.delete(_settled(premises)["id"].to_list())
    return Repair("It was taken out of quarantine.")


def _stray(premises: Premises) -> list[str]:
    tables = premises.tables
    reviews = tables.reviews.read(["id", "decision", "at"])
    ours = pl.col("decision").is_in(["release", "keep", "drop"])
    old = reviews.filter(ours & (pl.col("at") < pl.lit(premises.before)))
    for table in (tables.documents, tables.quarantine):
        old = old.join(table.lookup(old["id"].to_list(), ["id"]), on="id", how="anti")
    return old["id"].unique().sort().to_list()


def _drop_reviews(premises: Premises) -> Repair:
    premises.tables.reviews.delete(_stray(premises))
    return Repair("It was deleted.")


def _unused(premises: Premises, table: KeyedTable) -> list[str]:
    """Keys that neither the manifest nor the artifacts of any run name.

    A run prepares its documents before it stores their texts: whatever it may still need is named.
    """
    keys = table.read(["text_hash"]).unique()
    return keys.join(_used(premises), on="text_hash", how="anti")["text_hash"].sort().to_list()


def _used(premises: Premises) -> pl.DataFrame:
    named = [premises.tables.documents.read(["text_hash"])]
    files = premises.lake.files
    for path in premises.lake.run_artifacts("documents-*.parquet"):
        try:
            named.append(files.scan([path]).select("text_hash").unique().collect())
        except OSError as error:
            raise LakeError(
                f"Artifact {files.uri(path)} cannot be read: {error}. Verify again."
            ) from error
    return pl.concat(named)


def _prune(premises: Premises, table: KeyedTable) -> Repair:
    count = forget_unused(table, lambda: set(_used(premises)["text_hash"]))
    return Repair(f"{count} rows were deleted.")


def _remove_runs(premises: Premises) -> Repair:
    premises.lake.remove_runs(premises.before)
    return Repair("They were deleted.")
