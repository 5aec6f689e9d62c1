"""Which threshold of the semantic cache, and what a look-up costs: `python -m tests.benchmarks.bench_similar`.

Prints two tables: hits and false hits of labelled pairs of questions by threshold, without and with
the comparison of their words; and the milliseconds of a look-up among 1,000 questions. With files of
golden questions as arguments, all pairs of a file that would share an answer are printed as well.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from include.answering.asking import PLAINLY, answerer, ask, similar
from include.answering.distinctions import distinction
from include.commands.ingest import sync
from include.deployment import EnvironmentDeployment
from include.embedding.protocol import Embedder
from include.llm.question_stores import LakeQuestions, RedisQuestions
from include.llm.questions import KnownQuestion, Questions, nearest
from include.settings import Settings
from include.storage.objects import LocalObjects
from include.wiring import Platform
from tests.standin.redis_server import redis_server
from tests.standin.running import standing_in

PAIRS = Path(__file__).with_name("similar_questions.jsonl")
THRESHOLDS = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97, 0.99)
Row = dict[str, Any]


def main(*files: str) -> None:
    """Prints everything."""
    embedder = Platform(Settings.from_environment()).embedder
    rows = [json.loads(line) for line in PAIRS.read_text().splitlines()]
    thresholds(rows, embedder)
    for file in files:
        shared(Path(file), embedder)
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as url:
        for dimensions in (384, 1536):
            lake = LakeQuestions(LocalObjects(Path(folder) / "lake"))
            for name, questions in (("lake", lake), ("Redis", RedisQuestions(url))):
                print(name, dimensions, *look_ups(questions, dimensions))
    whole_hit()


def thresholds(rows: Sequence[Row], embedder: Embedder) -> None:
    """Hits of paraphrases and false hits of the others, by threshold."""
    texts = sorted({row[side] for row in rows for side in ("one", "other")})
    vectors = dict(zip(texts, embedder.embed_documents(texts), strict=True))
    for row in rows:
        row["cosine"] = float(vectors[row["one"]] @ vectors[row["other"]])
        row["told apart"] = bool(distinction(row["one"], row["other"]))
    same, different = ([r for r in rows if r["same"] is wanted] for wanted in (True, False))
    print(f"{len(same)} paraphrases, {len(different)} others")
    for least in THRESHOLDS:
        alone = [sum(r["cosine"] >= least for r in part) for part in (same, different)]
        both = [
            sum(r["cosine"] >= least and not r["told apart"] for r in part)
            for part in (same, different)
        ]
        print(f"| {least:.2f} | {alone[0]} | {alone[1]} | {both[0]} | {both[1]} |")


def shared(file: Path, embedder: Embedder, least: float = THRESHOLDS[0]) -> None:
    """All pairs of a file's questions that would share an answer."""
    texts = list(dict.fromkeys(json.loads(r)["question"] for r in file.read_text().splitlines()))
    vectors = embedder.embed_documents(texts)
    one, other = np.triu_indices(len(texts), 1)
    cosines = (vectors @ vectors.T)[one, other]
    near = np.flatnonzero(cosines >= least)
    print(f"{file}: {len(cosines)} pairs, {len(near)} of them from {least:.2f} on")
    for at in near:
        if not distinction(texts[one[at]], texts[other[at]]):
            print(f"  {cosines[at]:.3f} {texts[one[at]]!r} {texts[other[at]]!r}")


def look_ups(questions: Questions, dimensions: int) -> tuple[str, str, str]:
    """Medians of reading 1,000 questions, of comparing them, and of adding one."""
    known = crowd(dimensions)
    for each in known:
        questions.put("s", each, 3_600)
    held = questions.recent("s")
    return (
        timed("read", lambda: questions.recent("s")),
        timed("compare", lambda: nearest(known[7].vector, held, 0.95)),
        timed("add", lambda: questions.put("s", known[3], 3_600)),
    )


def whole_hit() -> None:
    """An answer from the cache among 1,000 questions, in a lake of one document: `ask`, trace and all."""
    with (
        tempfile.TemporaryDirectory() as folder,
        standing_in(Path(folder) / "meter.jsonl") as api,
    ):
        (Path(folder) / "inbox").mkdir()
        (Path(folder) / "inbox" / "a.txt").write_text("Retries failing calls with a growing delay.")
        environment = {
            "RAG_SOURCE_URI": (Path(folder) / "inbox").as_uri(),
            "RAG_LAKE_URI": (Path(folder) / "lake").as_uri(),
            "RAG_EMBEDDER": "fake:384",
            "RAG_CHAT_MODEL": "openai:stand-in-chat",
            "RAG_SEMANTIC_CACHE": "0.95",
            **api.environment(),
        }
        deployment = EnvironmentDeployment(environment)
        platform = Platform(Settings.from_environment(environment), deployment)
        sync(platform)
        question, who = "What retries failing calls?", answerer(platform)
        ask(platform, who, question)
        before = similar(platform, who, question, PLAINLY)
        assert before is not None
        for known in crowd(384)[1:]:
            platform.questions.put(before.scope, known, 3_600)
        assert ask(platform, who, question).answer.cached_from
        print(
            timed("scope", lambda: similar(platform, who, question, PLAINLY)),
            timed("look-up", before.find),
            timed("ask", lambda: ask(platform, who, question)),
        )


def crowd(dimensions: int) -> list[KnownQuestion]:
    """A thousand questions that are not alike."""
    vectors = np.random.default_rng(0).normal(size=(1_000, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [KnownQuestion(f"What is number {n}?" * 3, v, "t") for n, v in enumerate(vectors)]


def timed(name: str, act: Callable[[], object], rounds: int = 30) -> str:
    """The medians of so many calls, by the clock and of this process's CPU time."""
    seconds, cpu = [], []
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        act()
        seconds.append((time.perf_counter() - began) * 1_000)
        cpu.append((time.process_time() - used) * 1_000)
    return f"{name} {statistics.median(seconds):.1f} ms ({statistics.median(cpu):.1f} CPU)"


if __name__ == "__main__":
    main(*sys.argv[1:])
