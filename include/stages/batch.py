"""Stage 4: the texts no model has seen yet, cut into a bounded number of batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from include.embedding.cache import EmbeddingCache
from include.observability.log import stage
from include.planning import batches
from include.spending.approval import Largest
from include.stages.accepted import Accepted
from include.storage.artifacts import Artifacts

TARGET_TOKENS = 200_000
"""Tokens in a batch before another task is worth its start-up: some 30 s of a CPU core."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Unique texts to embed, ordered by length, in one Parquet file of the run."""

    uri: str
    label: str
    texts: int
    tokens: int


@dataclass(frozen=True, slots=True)
class ToEmbed:
    """The batches of a run, and what the cache holds already (unique texts)."""

    batches: tuple[Batch, ...]
    chunks: int
    texts: int
    reused: int
    tokens: int


def batch(accepted: Accepted, cache: EmbeddingCache, *, max_tasks: int) -> ToEmbed:
    """Looks every text up in the cache and writes the missing ones as at most `max_tasks` batches.

    Memory holds the hashes of all texts and the texts of one batch. `reused` and `texts` count
    unique texts, `chunks` all chunks; `tokens` are those to embed.
    """
    artifacts, chunks = accepted.artifacts, accepted.scan_chunks()
    with stage("batch", run=accepted.changes.run_id) as event:
        counted = chunks.select("text_hash", "tokens").collect()
        unique = counted.unique("text_hash", keep="first", maintain_order=True)
        absent = set(cache.missing(unique["text_hash"].to_list()))
        missing = unique.filter(pl.col("text_hash").is_in(absent)).sort("tokens", "text_hash")
        slices = batches(missing["tokens"], max_tasks=max_tasks, target_tokens=TARGET_TOKENS)
        written = tuple(
            _write(chunks, missing[start:end], artifacts, (number, len(slices)))
            for number, (start, end) in enumerate(slices, start=1)
        )
        found = ToEmbed(
            batches=written,
            chunks=counted.height,
            texts=missing.height,
            reused=unique.height - missing.height,
            tokens=int(missing["tokens"].sum()),
        )
        event |= {"chunks": found.chunks, "texts": found.texts, "batches": len(written)}
    return found


def largest(accepted: Accepted, to_embed: ToEmbed, most: int) -> list[Largest]:
    """The documents with most tokens to embed, the largest first; a shared text counts for one."""
    if not to_embed.batches:
        return []
    scanned = accepted.artifacts.scan(tuple(each.uri for each in to_embed.batches))
    found = (
        accepted.scan_chunks()
        .select("uri", "text_hash", "tokens")
        .join(scanned.select("text_hash"), on="text_hash", how="semi")
        .unique("text_hash", keep="first", maintain_order=True)
        .group_by("uri")
        .agg(pl.len().alias("texts"), pl.col("tokens").sum())
        .sort("tokens", "uri", descending=[True, False])
        .head(most)
    )
    return [Largest(**row) for row in found.collect().to_dicts()]


def _write(
    chunks: pl.LazyFrame, part: pl.DataFrame, artifacts: Artifacts, place: Sequence[int]
) -> Batch:
    number, of = place
    texts = (
        chunks.select("text_hash", "text", "tokens")
        .join(part.lazy().select("text_hash"), on="text_hash", how="semi")
        .unique("text_hash")
        .sort("tokens", "text_hash")
        .collect()
    )
    tokens = int(texts["tokens"].sum())
    return Batch(
        uri=artifacts.write(f"batch-{number:05d}", texts),
        label=f"{number}/{of}: {texts.height:,} texts, {tokens:,} tokens",
        texts=texts.height,
        tokens=tokens,
    )
