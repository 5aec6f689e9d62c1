"""Embedding through the provider's batches: cheap, once, and whatever the batch comes to."""

from __future__ import annotations

import numpy as np

from tests.spending.batching import (
    POLL,
    PRICE,
    Run,
    entries,
    require_paid_once,
    texts,
)


def test_a_batch_leaves_the_same_vectors_as_single_calls_at_half_the_price(connected, api):
    platform = connected(POLL)
    run = Run(platform, "one", texts(300))
    done = run.embed()
    assert (done.batches, done.left, run.cached()) == (1, 0, 300)
    assert done.cost_usd == f"{1_500 * PRICE / 2:f}"
    require_paid_once(api, platform)
    (entry,) = entries(platform)
    assert (entry.status, entry.requests, entry.tokens.counted) == ("ok", 2, False)
    embedder = platform.cached_embedder()
    vectors = embedder.embed_documents(run.wanted[:10])
    assert embedder.usage.embedded == 0
    assert np.allclose(vectors, platform.embedder.embed_documents(run.wanted[:10]), atol=1e-6)
