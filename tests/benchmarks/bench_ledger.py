"""Embeds 20,000 chunks against a server that answers in 50 ms: `python -m tests.benchmarks.bench_ledger`.

Prints the seconds, the CPU time of ledger, budget and cache, and how much of a rate limit is used.
Arguments: chunks, texts in a request, requests a minute (0: no limit). The embedding cache is
written every 512 texts, as by default.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from include.deployment import EnvironmentDeployment
from include.settings import Settings
from include.spending.limiter import WINDOW_SECONDS
from include.wiring import Platform
from tests.standin.running import standing_in

WORDS = 180


class Clocks:
    """CPU seconds of this process by what it was doing; calls come one at a time."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Counts the method's CPU time under a name."""
        inner: Callable[..., Any] = getattr(owner, method)

        def timed(*given: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return inner(*given, **named)
            finally:
                self.seconds[name] += time.process_time() - began

        setattr(owner, method, timed)


def main(chunks: str = "20000", texts: str = "512", limit: str = "0") -> None:
    """Prints one JSON object."""
    with (
        tempfile.TemporaryDirectory() as folder,
        standing_in(Path(folder) / "meter.jsonl", "--instant") as api,
    ):
        api.control(seconds=0.05)
        environment = {
            "RAG_LAKE_URI": (Path(folder) / "lake").as_uri(),
            "RAG_EMBEDDER": "openai:text-embedding-3-small",
            "RAG_LLM_REQUESTS_PER_MINUTE": limit,
            "AIRFLOW_VAR_RAG_BUDGETS": '{"daily_usd": 100}',
            **api.environment(timeout=10, max_inputs=int(texts)),
        }
        platform = Platform(
            Settings.from_environment(environment), EnvironmentDeployment(environment)
        )
        embedder, clocks = platform.cached_embedder(), Clocks()
        embedder.embed_documents(["warm up"])
        account = platform.spending
        for owner, method, name in (
            (account.ledger, "write", "ledger"),
            (account.budget, "reserve", "budget"),
            (account.budget, "settle", "budget"),
            (platform.cache, "get", "cache"),
            (platform.cache, "put", "cache"),
        ):
            clocks.watch(owner, method, name)
        held = [f"{number} " + "word " * (WORDS - 1) for number in range(int(chunks))]
        cpu, wall = time.process_time(), time.monotonic()
        for at in range(0, len(held), 8_192):
            embedder.embed_documents(held[at : at + 8_192])
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        platform.close()
        requests = len(api.rows()) - 1
    answer: dict[str, Any] = {
        "chunks": int(chunks),
        "requests": requests,
        "seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 2),
        "cpu_ms_a_request": {
            name: round(1_000 * spent / requests, 2) for name, spent in clocks.seconds.items()
        },
        "share_of_cpu": {name: round(spent / cpu, 4) for name, spent in clocks.seconds.items()},
    }
    if int(limit):
        windows = -(-requests // int(limit)) - 1
        fastest = windows * WINDOW_SECONDS + (requests - windows * int(limit)) * 0.05
        answer["seconds_at_best"] = round(fastest, 1)
        answer["of_the_limit"] = round(fastest / wall, 3)
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
