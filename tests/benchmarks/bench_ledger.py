"""Embeds 20,000 chunks by an API that answers in 50 ms: `python -m tests.benchmarks.bench_ledger`.

Prints the seconds, the CPU time of each part, and how much of a rate limit is used. Arguments:
chunks, texts in a request (the API's own limit: 2048), requests a minute (0: no limit), `stage` or
`sync`. `stage` runs the embed stage on batches as a run cuts them, `sync` a whole run on documents
of ten chunks. Tokens are counted by tiktoken where `TIKTOKEN_CACHE_DIR` has the ranks of
cl100k_base, otherwise as words, which costs less than any tokenizer.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from include.commands import ingest
from include.deployment import EnvironmentDeployment
from include.documents import text_hash
from include.embedding import cache, cached, openai
from include.planning import batches
from include.remote.client import Client
from include.settings import REPOSITORY, Settings
from include.spending.account import Account
from include.spending.budget import Budget
from include.spending.ledger import Ledger
from include.spending.limiter import WINDOW_SECONDS
from include.stages import batch as batching
from include.stages.embed import embed
from include.wiring import Platform
from tests.benchmarks.parts import Parts
from tests.standin.running import Running, standing_in

WORDS, CHUNKS_IN_A_DOCUMENT = 180, 10
SPENDING = {"cache", "ledger", "budget"}


def watched() -> Parts:
    """The clocks, on every part of embedding."""
    parts = Parts()
    for owner, method, name in (
        (Ledger, "write", "ledger"),
        (Budget, "reserve", "budget"),
        (Budget, "settle", "budget"),
        (Account, "pay", "prices and entries"),
        (Client, "send", "HTTP and JSON"),
        (openai.OpenAIEmbedder, "_read", "decoding"),
        (openai.OpenAIEmbedder, "embed_documents", "requests"),
        (cache.EmbeddingCache, "get", "cache"),
        (cache.EmbeddingCache, "missing", "cache"),
        (cache.EmbeddingCache, "put", "cache"),
        (cached.CachedEmbedder, "embed_documents", "cache"),
        (cached.CachedEmbedder, "fill", "cache"),
        (ingest, "embed", "stage"),
    ):
        parts.watch(owner, method, name)
    return parts


def texts(number: int, one_token: Any) -> list[str]:
    """Texts of real words, each of which is a token: then client and server count the same."""
    words = sorted(
        word
        for page in sorted((REPOSITORY / "docs").glob("*.md"))
        for word in set(re.findall(r"\b[a-z]+\b", page.read_text()))
        if one_token(word) and one_token(f" {word}")
    )
    words, draw = list(dict.fromkeys(words)), random.Random(0)
    return [" ".join(draw.choices(words, k=WORDS)) for _ in range(number)]


def embedded(platform: Platform, parts: Parts, held: list[str], api: Running) -> None:
    """The embed stage, on batches as the stage before it cuts them."""
    artifacts, cached = platform.artifacts("bench"), platform.cached_embedder()
    tokens = pl.Series([platform.tokenizer.count(text) for text in held])
    cuts = batches(tokens, max_tasks=64, target_tokens=batching.TARGET_TOKENS)
    made = [
        batching.Batch(
            artifacts.write(
                f"batch-{start}",
                pl.DataFrame(
                    {
                        "text_hash": [text_hash(text) for text in held[start:end]],
                        "text": held[start:end],
                        "tokens": tokens[start:end],
                    }
                ),
            ),
            label=str(start),
            texts=end - start,
            tokens=int(tokens[start:end].sum()),
        )
        for start, end in cuts
    ]
    parts.watch(type(platform.tokenizer), "count", "tokens")
    cached.embed_documents(["warm up"])
    api.control(begin=str(api.meter))
    api.control(seconds=0.05)
    parts.begin()
    for each in made:
        embed(each, cached, artifacts)


def synced(platform: Platform, parts: Parts, held: list[str], inbox: Path) -> int:
    """A whole run over documents of these texts; how many chunks it embedded."""
    (inbox / "first.txt").write_text("warm up")
    ingest.sync(platform)
    for at in range(0, len(held), CHUNKS_IN_A_DOCUMENT):
        document = "\n\n".join(held[at : at + CHUNKS_IN_A_DOCUMENT])
        (inbox / f"{at:06d}.txt").write_text(document)
    parts.watch(type(platform.tokenizer), "count", "tokens")
    parts.begin()
    receipt, _ = ingest.sync(platform)
    return int(receipt["embedded"])


def main(
    chunks: str = "20000", in_a_request: str = "2048", limit: str = "0", what: str = "stage"
) -> None:
    """Prints one JSON object."""
    tokenizer = "cl100k_base" if os.environ.get("TIKTOKEN_CACHE_DIR") else "words"
    with (
        tempfile.TemporaryDirectory() as folder,
        standing_in(Path(folder) / "meter.jsonl", "--instant") as api,
    ):
        api.control(seconds=0.05)
        inbox = Path(folder) / "inbox"
        inbox.mkdir()
        environment = {
            "RAG_SOURCE_URI": inbox.as_uri(),
            "RAG_LAKE_URI": (Path(folder) / "lake").as_uri(),
            "RAG_EMBEDDER": "openai:text-embedding-3-small",
            "RAG_LLM_REQUESTS_PER_MINUTE": limit,
            "AIRFLOW_VAR_RAG_BUDGETS": '{"daily_usd": 100}',
            **api.environment(timeout=10, max_inputs=int(in_a_request), tokenizer=tokenizer),
        }
        settings = Settings.from_environment(environment)
        platform = Platform(settings, EnvironmentDeployment(environment))
        count = platform.tokenizer.count
        held = texts(int(chunks), lambda word: count(word) == 1)
        parts, done = watched(), int(chunks)
        if what == "sync":
            done = synced(platform, parts, held, inbox)
        else:
            embedded(platform, parts, held, api)
        cpu, wall = parts.total(), time.monotonic() - parts.began
        platform.close()
        requests = len(api.rows())
    print(json.dumps(told(parts, cpu) | {"what": what, "chunks": done, "tokenizer": tokenizer,
                     "requests": requests, "wall_seconds": round(wall, 1)}
                     | of_the_limit(requests, int(limit), wall)))  # fmt: skip


def told(parts: Parts, cpu: float) -> dict[str, Any]:
    """The CPU seconds of each part and its share."""
    spent = sum(parts.own[name] for name in SPENDING)
    answer: dict[str, Any] = {
        "cpu_seconds": round(cpu, 2),
        "parts": {name: round(own, 3) for name, own in parts.own.most_common()},
        "share": {name: round(parts.own[name] / cpu, 4) for name in sorted(SPENDING)},
        "share_of_all_three": round(spent / cpu, 4),
    }
    if parts.whole["stage"]:
        answer["cpu_seconds_of_the_stage"] = round(parts.whole["stage"], 2)
    return answer


def of_the_limit(requests: int, limit: int, wall: float) -> dict[str, Any]:
    """How close to the rate limit it came."""
    if not limit:
        return {}
    windows = -(-requests // limit) - 1
    fastest = windows * WINDOW_SECONDS + (requests - windows * limit) * 0.05
    return {"seconds_at_best": round(fastest, 1), "of_the_limit": round(fastest / wall, 3)}


if __name__ == "__main__":
    main(*sys.argv[1:])
