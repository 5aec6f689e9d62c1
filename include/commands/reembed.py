"""`reembed`, `plan --target`: another index from stored texts, beside the live one."""

from __future__ import annotations

import getpass
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from include.commands.progress import bar
from include.commands.state import indexes
from include.errors import ConfigurationError
from include.indexes import described
from include.spending.caller import Caller
from include.stages import promotion
from include.stages.coverage import Interval, days
from include.stages.fill import Filled, begin, prepare_share, record_coverage, share
from include.stages.promotion import Request
from include.wiring import Platform, new_run_id

Json = dict[str, Any]
__all__ = ["days", "plan", "promote", "reembed", "target"]


def target(platform: Platform, text: str) -> Platform:
    """The platform of the index that `NAME=value …` describes; the configured one for ""."""
    return described(platform, text) if text.strip() else platform


def plan(platform: Platform, within: Interval | None = None) -> Json:
    """What a re-embedding would do and cost; embeds and publishes nothing."""
    _refuse_live(platform)
    run_id = f"plan-{new_run_id()}"
    artifacts = platform.artifacts(run_id)
    try:
        work = share(platform.destination, artifacts, within=within)
        accepted = prepare_share(work, platform.chunker, platform.destination, artifacts)
        to_embed = platform.filler.batches(accepted)
        cost = platform.embedding_cost(to_embed.tokens)
        return {
            "index": platform.index_name,
            "target": platform.settings.index_values,
            "documents": work.documents,
            "missing": work.missing,
            "missing_days": work.missing_days,
            "surplus": work.surplus,
            "chunks": to_embed.chunks,
            "chunks_to_embed": to_embed.texts,
            "tokens_to_embed": to_embed.tokens,
            "estimated_cost_usd": f"{cost:f}",
            "estimated_batch_cost_usd": _in_batches(platform, to_embed.tokens),
            **platform.verdict(cost).as_json(),
        }
    finally:
        artifacts.remove()


def reembed(platform: Platform, within: Interval | None = None, *, batch_api: bool = False) -> Json:
    """Fills the platform's index with what it lacks of the documents first ingested then.

    With `batch_api` it waits until the provider's batches are over; it may be killed meanwhile.
    """
    _refuse_live(platform)
    filler = platform.batch_filler if batch_api else platform.filler
    run_id = f"reembed-{new_run_id()}"
    platform.caller = Caller(run=run_id, task="reembed")
    artifacts = platform.artifacts(run_id)
    destination = platform.destination
    begin(destination, run_id, datetime.now(UTC))
    work = share(destination, artifacts, within=within)
    if work.nothing:
        found, state = record_coverage(destination)
        done = Filled(run_id, platform.index_name, state, 0, 0, found.documents, 0, 0)
        missing, surplus = len(found.missing), len(found.surplus)
        stands = replace(done, missing=missing, surplus=surplus, missing_days=found.missing_days)
        return asdict(stands)
    return asdict(filler.fill(work, artifacts, partial(bar, "Embedding")))


def promote(platform: Platform, name: str, overrule: str) -> Json:
    """Makes a candidate live, and lists the indexes."""
    request = Request(name, getpass.getuser(), overrule)
    now = datetime.now(UTC)
    promotion.promote(request, platform.registry, platform.tables, platform.store, now=now)
    return indexes(platform)


def _in_batches(platform: Platform, tokens: int) -> str | None:
    """What they cost in batches; None for a model that has none."""
    if platform.settings.embedding.provider != "openai":
        return None
    return f"{platform.embedding_cost(tokens, by_batch=True):f}"


def _refuse_live(platform: Platform) -> None:
    live = platform.registry.live()
    if live is None:
        raise ConfigurationError(
            "There is nothing to embed again: no document has been ingested yet. Run "
            "`python -m include sync` first."
        )
    if live.name == platform.index_name:
        raise ConfigurationError(
            f"{live.name!r} is what is live already. Name what should differ, as in --target "
            f"'RAG_EMBEDDER=local:model RAG_CHUNK_TOKENS=128', or change the settings."
        )
