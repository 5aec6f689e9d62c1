"""What Prometheus reads of the lake: what is live and how old, what was set aside, what today cost.

A look reads two small objects and the number of rows of one table, whatever the lake holds. It is
taken every LOOK_SECONDS; a scrape tells the last one and reads nothing. Every server of a lake tells
the same, so that rules take the `max`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from include.observability.log import warn
from include.spending.budget import used_on
from include.spending.ledger import today_utc
from include.storage.index_entries import Index
from include.wiring import Platform

LOOK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Look:
    """A lake at one moment; None for what there is not.

    `spent_usd` is what the budget of today (UTC) has counted, calls in flight included.
    """

    index: Index | None
    published: datetime | None
    quarantined: int
    spent_usd: Decimal | None
    budget_usd: Decimal | None


EMPTY = Look(None, None, 0, None, None)


def look(platform: Platform) -> Look:
    """The lake as it is now. Raises PlatformError when it cannot be read."""
    entries, limit = platform.registry.read(), platform.settings.budgets.daily_usd
    spent = used_on(platform.lake.objects, today_utc())
    if spent is None and limit is not None:
        spent = Decimal(0)
    last = entries.last_sync
    published = datetime.fromisoformat(str(last["finished_at"])) if last else None
    aside = platform.tables.quarantine.count()
    return Look(entries.in_state("live"), published, aside, spent, limit)


class LakeGauges(Collector):
    """The gauges of the last look; none while there is none."""

    def __init__(self) -> None:
        self.look: Look | None = None

    def collect(self) -> Iterator[Metric]:
        """What is known. Whatever there is not is left out, for 0 would be a number."""
        seen = self.look
        if seen is None:
            return
        if seen.index:
            yield _info(seen.index)
        for name, promise, value in _numbers(seen):
            if value is not None:
                yield GaugeMetricFamily(name, promise, float(value))


async def keep_looking(
    gauges: LakeGauges, take: Callable[[], Look], *, seconds: float = LOOK_SECONDS
) -> None:
    """Looks again and again, in a thread. What is wrong with the lake is warned of once."""
    told = ""
    while True:
        try:
            gauges.look, told = await asyncio.to_thread(take), ""
        except Exception as error:  # noqa: BLE001 - the next look may succeed
            gauges.look, sentence = None, f"{type(error).__name__}: {error}"
            if sentence != told:
                warn(f"The lake cannot be measured ({sentence}): /metrics leaves it out.")
            told = sentence
        await asyncio.sleep(seconds)


def _info(index: Index) -> Metric:
    labels = {"name": index.name, "embedder": index.embedder, "chunker": index.chunker}
    return InfoMetricFamily("rag_index", "The live index.", labels)


def _numbers(seen: Look) -> list[tuple[str, str, float | Decimal | None]]:
    index, published = seen.index, seen.published
    return [
        ("rag_index_documents", "Documents in the live index.", index.documents if index else None),
        ("rag_index_chunks", "Chunks in the live index.", index.chunks if index else None),
        (
            "rag_index_published_timestamp_seconds",
            "When a run last published.",
            published.timestamp() if published else None,
        ),
        ("rag_quarantined_documents", "Documents set aside.", seen.quarantined),
        ("rag_spent_today_usd", "Counted by the budget of the day (UTC).", seen.spent_usd),
        ("rag_daily_budget_usd", "daily_usd of rag_budgets.", seen.budget_usd),
    ]
