"""A run's texts, the batches that embed them, and what the tests hold against each other."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from include.documents import text_hash
from include.spending.entries import Entry
from include.spending.ledger import today_utc
from include.stages.batch import Batch
from include.storage.artifacts import Artifacts
from include.wiring import Platform
from tests.standin.running import PRICES, Running

POLL = {"batch_poll_seconds": 0.05, "timeout": 10}
PRICE = Decimal(PRICES["stand-in-embed"]["input_per_million_usd"]) / 1_000_000


def texts(count: int, first: int = 0) -> list[str]:
    """So many texts of five words."""
    return [f"text number {number} of many" for number in range(first, first + count)]


class Run:
    """One run of a platform: its artifacts, and its texts in parts as the direct way has them."""

    def __init__(self, platform: Platform, name: str, wanted: Sequence[str], part: int = 1_000):
        self.platform = platform
        self.artifacts: Artifacts = platform.artifacts(name)
        self.wanted = list(wanted)
        parts = [self.wanted[at : at + part] for at in range(0, len(wanted), part)]
        self.batches = [self._part(number, each) for number, each in enumerate(parts)]

    def _part(self, number: int, some: list[str]) -> Batch:
        frame = pl.DataFrame(
            {
                "text_hash": [text_hash(each) for each in some],
                "text": some,
                "tokens": [len(each.split()) for each in some],
            }
        )
        uri = self.artifacts.write(f"batch-{number:05d}", frame)
        return Batch(uri, f"{number}", len(some), int(frame["tokens"].sum()))

    def step(self) -> Any:
        return self.platform.by_batch.step(self.batches, self.artifacts)

    def embed(self) -> Any:
        return self.platform.by_batch.embed(self.batches, self.artifacts)

    def cached(self) -> int:
        """How many of its texts are in the cache."""
        hashes = [text_hash(each) for each in self.wanted]
        return len(hashes) - len(self.platform.cache.missing(hashes))


def entries(platform: Platform) -> list[Entry]:
    return list(platform.spending.ledger.entries(today_utc()))


def paid_texts(api: Running) -> list[str]:
    """Every text that the provider charged, as often as it did."""
    return [text for row in api.rows(charged=True) for text in row.get("texts") or ()]


def submitted(api: Running) -> set[str]:
    """The batches that cost something."""
    return {row["batch"] for row in api.rows(charged=True) if row.get("batch")}


def require_paid_once(api: Running, platform: Platform) -> None:
    """Ledger and meter agree to the last digit, and no text was charged twice."""
    paid = paid_texts(api)
    assert len(paid) == len(set(paid))
    tokens = sum(row["input_tokens"] for row in api.rows(charged=True))
    found = entries(platform)
    assert sum(each.cost_usd for each in found) == tokens * PRICE / 2
    assert sum(each.tokens.input for each in found if each.cost_usd) == tokens
    assert not [each for each in found if each.status == "reserved"]
