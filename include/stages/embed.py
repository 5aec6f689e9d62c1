"""Stage 5: one batch of texts through the embedding cache. The only stage that costs money."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from include.embedding.cached import CachedEmbedder
from include.observability.log import stage
from include.stages.batch import Batch
from include.storage.artifacts import Artifacts

TEXTS_PER_CALL = 8_192
"""Vectors held in memory at once: 12 MB at 384 dimensions."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a batch took: texts the model embedded, texts found in the cache after all."""

    embedded: int
    reused: int
    tokens: int


def embed(batch: Batch, embedder: CachedEmbedder, artifacts: Artifacts) -> Embedded:
    """Leaves a vector for every text of the batch in the cache.

    A repeated or interrupted batch pays only for texts not yet cached, and for at most the one
    write in flight.
    """
    with stage("embed", batch=batch.label) as event:
        texts: pl.DataFrame = artifacts.read(batch.uri)
        before = embedder.usage
        for start in range(0, texts.height, TEXTS_PER_CALL):
            embedder.fill(texts["text"][start : start + TEXTS_PER_CALL].to_list())
        done = Embedded(
            embedded=embedder.usage.embedded - before.embedded,
            reused=embedder.usage.reused - before.reused,
            tokens=batch.tokens,
        )
        event |= {"embedded": done.embedded, "reused": done.reused}
    return done
