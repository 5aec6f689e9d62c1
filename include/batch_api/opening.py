"""The batches of a platform: its lake's records, its endpoint, its account."""

from __future__ import annotations

from include.batch_api.collecting import Collector
from include.batch_api.provider import Provider
from include.batch_api.records import BatchRecords
from include.batch_api.requests import Limits
from include.batch_api.submitting import GRACE_SECONDS, Submitter
from include.batch_api.work import BatchWork
from include.embedding.cache import EmbeddingCache
from include.embedding.openai import OpenAIEmbedder
from include.embedding.protocol import Embedder
from include.embedding.shortened import whole
from include.errors import ConfigurationError
from include.storage.lake import Lake


def open_work(lake: Lake, embedder: Embedder, cache: EmbeddingCache) -> BatchWork:
    """Connects to nothing. Raises ConfigurationError for a model that has no batches."""
    model = whole(embedder)
    if not isinstance(model, OpenAIEmbedder):
        raise ConfigurationError(
            f"Only embedders behind an API (openai:…) have batches, {embedder.identity.model!r} has "
            f"none: run without batch_api (--batch-api)."
        )
    remote = model.remote
    records = BatchRecords(lake.objects, model.identity.id)
    provider = Provider(remote)
    return BatchWork(
        records=records,
        provider=provider,
        embedder=model,
        submitter=Submitter(
            records=records,
            provider=provider,
            embedder=model,
            account=remote.account,
            texts=lambda uri: _texts(lake, uri),
            # Whatever was sent has arrived, or never will.
            grace_seconds=max(GRACE_SECONDS, 4 * remote.endpoint.timeout),
        ),
        collector=Collector(records, provider, cache, remote.account),
        limits=Limits.of(remote.endpoint),
    )


def _texts(lake: Lake, uri: str) -> dict[str, str] | None:
    files = lake.files
    try:
        frame = files.scan([files.path(uri)]).select("text_hash", "text").collect()
    except FileNotFoundError:  # its run was pruned, or a document of it erased
        return None
    return dict(frame.iter_rows())
