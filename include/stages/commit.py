"""The commit that readers see: an index gets exactly the chunks that were prepared."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from include.errors import TransientError
from include.quality.gate import vector_report
from include.stages.accepted import Accepted
from include.stages.destination import Destination
from include.stages.verdict import judge_vectors
from include.vectorstore.protocol import Published, chunk_schema

ROWS_PER_COMMIT = 100_000
"""A run of more chunks is published in several commits of whole documents, to bound memory."""


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
