"""Searches from many clients at once: `python -m tests.benchmarks.bench_api URL [CLIENTS] [SEARCHES]`.

The server runs beside it, over whatever lake: `python -m include serve`. Each search asks for something
else, so that nothing is answered twice. Prints one JSON object; seconds are those of the clients.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import httpx

QUESTIONS = Path(__file__).parents[2] / "docs"


def questions(count: int) -> list[str]:
    """Pieces of the documentation, each with its number."""
    words = " ".join(file.read_text() for file in sorted(QUESTIONS.glob("*.md"))).split()
    return [f"{n} {' '.join(words[n * 7 % len(words) :][:12])}" for n in range(count)]


async def searched(url: str, clients: int, searches: int) -> list[float]:
    """The seconds of each search."""
    left, took = iter(questions(searches)), []
    key = os.environ.get("RAG_API_KEY", "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def one(client: httpx.AsyncClient) -> None:
        for text in left:
            began = time.perf_counter()
            answer = await client.post("/v1/search", json={"text": text})
            answer.raise_for_status()
            took.append(time.perf_counter() - began)

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=120, limits=limits
    ) as client:
        await asyncio.gather(*(one(client) for _ in range(clients)))
    return took


def main(url: str, clients: str = "50", searches: str = "500") -> None:
    """Measures, and prints what it found."""
    began = time.perf_counter()
    took = sorted(asyncio.run(searched(url, int(clients), int(searches))))
    seconds = time.perf_counter() - began
    figures = {
        "clients": int(clients), "searches": len(took),
        "p50_ms": round(1_000 * took[len(took) // 2], 1),
        "p95_ms": round(1_000 * took[int(len(took) * 0.95)], 1),
        "per_second": round(len(took) / seconds, 1),
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
