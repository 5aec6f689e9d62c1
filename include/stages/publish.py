"""Stage 6: everything a run prepared becomes searchable in one atomic commit, then is recorded.

The order makes every crash harmless: texts first (content-addressed, never wrong), then the
commit that readers see, then the manifest. A run killed in between finds its documents still to
do, their vectors in the cache and their rows already there, and only completes the record; for
what has changed at the source meanwhile it leaves a mark (`storage/publishing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa

from include.embedding.cache import EmbeddingCache
from include.errors import TransientError
from include.observability.log import stage
from include.quality.gate import vector_report
from include.stages.accepted import Accepted
from include.stages.batch import ToEmbed
from include.stages.record import record
from include.stages.signatures import sign_texts
from include.stages.verdict import judge_vectors
from include.storage.publishing import PublishMarks
from include.storage.registry import Registry
from include.storage.tables import Tables
from include.storage.vector_forms import Form
from include.vectorstore.protocol import Published, VectorStore, chunk_schema

ROWS_PER_COMMIT = 100_000
"""A run of more chunks is published in several commits of whole documents, to bound memory."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a run is published to: the index and what names it, its store, the tables beside it.

    `embedder` and `chunker` are identities, `settings` the values that make the index, `vectors` the
    form in which it stores them.
    """

    index: str
    embedder: str
    chunker: str
    dimensions: int
    store: VectorStore
    cache: EmbeddingCache
    tables: Tables
    registry: Registry
    marks: PublishMarks
    settings: Mapping[str, str]
    vectors: Form

    @property
    def facts(self) -> dict[str, Any]:
        """What the registry keeps of the index: everything that makes it what it is."""
        return {
            "embedder": self.embedder,
            "chunker": self.chunker,
            "dimensions": self.dimensions,
            "settings": self.settings,
            "vectors": self.vectors,
            "cut_from": self.cache.source,
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a run did, as the manifest and the index now show it. Counts of documents, then chunks."""

    run_id: str
    index: str
    added: int
    changed: int
    moved: int
    copied: int
    metadata: int
    removed: int
    unchanged: int
    quarantined: int
    withheld: int
    chunks: int
    embedded: int
    reused: int
    published: int
    retracted: int
    finished_at: str


def publish(
    accepted: Accepted,
    to_embed: ToEmbed,
    destination: Destination,
    *,
    now: datetime,
) -> Receipt:
    """Makes the index hold exactly the chunks of this run's documents, and records it.

    Repeating it writes nothing. Raises TransientError when a vector is missing from the cache
    (an embed task was skipped: run it again).
    """
    with stage("publish", run=accepted.changes.run_id, index=destination.index) as event:
        _store_texts(accepted, destination.tables)
        destination.marks.begin(accepted.changes.run_id, destination.index, now)
        done = publish_chunks(accepted, destination, accepted.changes.run_id)
        if destination.registry.live() is None:
            # Once the manifest is written, no later run finds anything to do and says so.
            _register(destination, accepted.changes.run_id, now, switch=True)
        record(accepted, destination.tables, run_id=accepted.changes.run_id, now=now)
        receipt = _receipt(accepted, to_embed, done, destination.index, now)
        _register(destination, receipt.run_id, now, switch=accepted.changes.rebuild)
        destination.marks.end(receipt.run_id)
        destination.marks.settle(destination.index, now)
        accepted.artifacts.write_json("receipt", asdict(receipt))
        event |= {"published": receipt.published, "retracted": receipt.retracted}
    return receipt


def _register(destination: Destination, run_id: str, now: datetime, *, switch: bool) -> None:
    """The index with its counts as they are now; live from now on with `switch`."""
    destination.registry.record_sync(
        destination.index,
        run_id,
        now,
        **destination.facts,
        missing=0,
        switch=switch,
        documents=destination.tables.documents.count(),
        chunks=destination.store.count(destination.index),
    )


def _store_texts(accepted: Accepted, tables: Tables) -> None:
    for part in accepted.document_parts():
        texts = part.select("text_hash", "text", "blocks", "pages").unique("text_hash").collect()
        tables.texts.insert_missing(texts)
        sign_texts(tables, texts)


def publish_chunks(accepted: Accepted, destination: Destination, run_id: str) -> Published:
    """One commit of all differences between what is prepared and what the index holds."""
    store, index = destination.store, destination.index
    store.create(index, destination.dimensions, destination.vectors)
    keys = accepted.scan_chunks().select("id", "document_id", "row_hash").collect()
    existing = store.rows(index, [*accepted.documents["id"], *accepted.removed])
    changed = keys.join(existing, on=["id", "row_hash"], how="anti").select("id", "document_id")
    stale = existing.join(keys, on="id", how="anti").select("id", "document_id")
    total = Published(0, 0, 0, 0)
    for part, gone in _slices(changed, stale):
        upserts = _rows(accepted, part, destination, run_id)
        total = _sum(total, store.publish(index, upserts, gone["id"].to_list()))
    if total.version:
        store.optimize(index)
    return total


def _slices(changed: pl.DataFrame, stale: pl.DataFrame) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """Both sides cut at document boundaries, so that every commit holds whole documents."""
    if changed.height <= ROWS_PER_COMMIT:
        return [(changed, stale)]
    place = (
        changed.group_by("document_id", maintain_order=True)
        .len()
        .with_columns(slice=(pl.col("len").cum_sum() - 1) // ROWS_PER_COMMIT)
        .select("document_id", "slice")
    )
    last = place["slice"].max()
    changed = changed.join(place, on="document_id")
    stale = stale.join(place, on="document_id", how="left").with_columns(
        pl.col("slice").fill_null(last)
    )
    return [
        (changed.filter(slice=number), stale.filter(slice=number))
        for number in place["slice"].unique(maintain_order=True)
    ]


def _rows(
    accepted: Accepted, keys: pl.DataFrame, destination: Destination, run_id: str
) -> pa.Table:
    """The chunk rows with these ids, complete with vectors from the cache and accepted."""
    rows = accepted.scan_chunks().join(keys.lazy().select("id"), on="id", how="semi").collect()
    hashes, vectors = destination.cache.get(rows["text_hash"].unique(maintain_order=True).to_list())
    if absent := set(rows["text_hash"]) - set(hashes):
        raise TransientError(
            f"{len(absent)} texts of this run have no vector in the cache of "
            f"{destination.embedder}: an embed task did not finish. Run it again."
        )
    judge_vectors(vector_report(hashes, vectors, destination.dimensions), accepted.artifacts)
    position = dict(zip(hashes, range(len(hashes)), strict=True))
    order = [position[text] for text in rows["text_hash"]]
    schema = chunk_schema(destination.dimensions)
    table = rows.with_columns(run_id=pl.lit(run_id)).to_arrow()
    flat = pa.array(vectors[order].reshape(-1), type=pa.float32())
    table = table.append_column(
        "vector", pa.FixedSizeListArray.from_arrays(flat, destination.dimensions)
    )
    return table.select(schema.names).cast(schema)


def _sum(one: Published, other: Published) -> Published:
    return Published(
        one.inserted + other.inserted,
        one.updated + other.updated,
        one.deleted + other.deleted,
        other.version,
    )


def _receipt(
    accepted: Accepted, to_embed: ToEmbed, done: Published, index: str, now: datetime
) -> Receipt:
    changes, counts = accepted.changes, accepted.counts()
    return Receipt(
        run_id=changes.run_id,
        index=index,
        **{
            name: counts.get(name, 0)
            for name in ("added", "changed", "moved", "copied", "metadata", "removed")
        },
        unchanged=changes.unchanged + counts["touched"],
        quarantined=counts["rejected"],
        withheld=accepted.withheld,
        chunks=to_embed.chunks,
        embedded=to_embed.texts,
        reused=to_embed.reused,
        published=done.inserted + done.updated,
        retracted=done.deleted,
        finished_at=now.isoformat(),
    )
