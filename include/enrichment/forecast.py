"""What describing the texts of a planned run costs at most."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from include.enrichment.describing import PROMPT, Describer
from include.enrichment.work import Batch, models_of
from include.spending.approval import DESCRIBING, Largest
from include.spending.forecast import Estimate, Forecast
from include.storage.artifacts import Artifacts
from include.wiring import Platform

_TEXTS_AT_ONCE = 100
_LARGEST = 10


def forecast(platform: Platform, artifacts: Artifacts, batches: Sequence[Batch]) -> Forecast:
    """Counts the prompts that the run's texts make; asks no model.

    Every text gets the model that it will be routed to, and the dearest second call that an unsure or
    bad reply can lead to: the bound holds, and most runs cost a good deal less.
    """
    describer = Describer(models_of(platform), platform.prompts.find(PROMPT))
    hashes = artifacts.read(artifacts.list("texts"))["text_hash"].to_list() if batches else []
    most, sizes = Estimate(), []
    for at in range(0, len(hashes), _TEXTS_AT_ONCE):
        texts = platform.tables.texts.lookup(
            hashes[at : at + _TEXTS_AT_ONCE], ["text_hash", "text"]
        )
        for text_hash, text in texts.iter_rows():
            each = describer.most(text, text_hash)
            most += each
            sizes.append((each.input_tokens, text_hash))
    dearest = dict(reversed(each) for each in sorted(sizes)[-_LARGEST:])
    return Forecast(
        DESCRIBING, platform.settings.enrich_models, len(sizes), most, _named(platform, dearest)
    )


def _named(platform: Platform, tokens: dict[str, int]) -> list[Largest]:
    """A document of each of these texts, the largest first."""
    where = {"text_hash": list(tokens)}
    places = platform.tables.documents.read(["text_hash", "uri"], where) if tokens else None
    if places is None:
        return []
    first = places.sort("uri").unique("text_hash", keep="first")
    rows = first.with_columns(tokens=pl.col("text_hash").replace_strict(tokens))
    return [
        Largest(uri, 1, count)
        for uri, count in rows.sort("tokens", "uri", descending=[True, False])
        .select("uri", "tokens")
        .iter_rows()
    ]
