"""What is measured, each in a process of its own: `python -m tests.benchmarks.scenarios NAME JSON`.

Every scenario takes JSON values and prints its result as one JSON object on the last line.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.metering import (
    StageClock,
    count_opens,
    cpu_seconds,
    peak_megabytes,
    yardstick,
)
from tests.benchmarks.worlds import platform, warm_up

Json = dict[str, Any]


def sync_once(
    source: str,
    lake: str,
    *,
    instant: bool = True,
    settings: Mapping[str, str] | None = None,
    hashes_to: str = "",
    profile: str = "",
) -> Json:
    """One sync, warmed up: CPU seconds in all, in the embedder, by stage; hashes of the texts."""
    from include.commands.ingest import sync

    warm_up(instant=instant, settings=settings)
    made, meter = platform(Path(source), Path(lake), instant=instant, settings=settings)
    made.tokenizer.count("Loaded with the model, before anything is timed.")
    opened, clock, machine = count_opens(source), StageClock(), yardstick()
    profiler = cProfile.Profile()
    before, began = cpu_seconds(), time.monotonic()
    clock.restart()
    if profile:
        profiler.enable()
    receipt, _ = sync(made)
    profiler.disable()
    total, wall = cpu_seconds() - before, time.monotonic() - began
    if profile:
        _write_profile(profiler, profile)
    if hashes_to:
        Path(hashes_to).write_text(json.dumps(sorted(set(meter.hashes))))
    return {
        "cpu": total,
        "embedding_cpu": meter.cpu,
        "yardstick": (machine + yardstick()) / 2,
        "wall": wall,
        "stages": dict(clock.seconds),
        "embedded": len(meter.hashes),
        "opened": len(set(opened)),
        "receipt": receipt,
        "rows": made.store.count(made.index_name),
        "fingerprint": index_fingerprint(made),
        "peak_mb": peak_megabytes(),
    }


def command_line(corpus: str, report: str) -> Json:
    """`python -m include sync` as a person runs it; what it opened and imported goes to a file."""
    opened = count_opens(corpus)
    from include.commands.main import main

    status = main(["sync", "--json"])
    modules = [name for name in sys.modules if name != "__main__"]
    Path(report).write_text(json.dumps({"opened": len(opened), "modules": modules}))
    return {"status": status}


def imports(report: str) -> Json:
    """Imports what `command_line` had imported, and does nothing else."""
    for name in json.loads(Path(report).read_text())["modules"]:
        try:
            __import__(name)
        except Exception:
            continue
    return {}


def versions(source: str, lake: str) -> Json:
    """The version of every table, the runs in the lake, and what the index holds."""
    made, _ = platform(Path(source), Path(lake), instant=True)
    tables = {}
    for name in made.database.names():
        handle = made.database.open(name)
        tables[name] = handle.version if handle else 0
    runs = sorted(path.name for path in (Path(lake) / "runs").glob("*"))
    return {"tables": tables, "runs": runs, "fingerprint": index_fingerprint(made)}


def index_fingerprint(made: Any) -> str:
    """A hash of every chunk's id and document: equal for equal indexes, however they came about."""
    from include.documents import digest

    rows = made.store.rows(made.index_name).sort("id")
    return digest(*rows["id"], *rows["document_id"])


def encode(texts_from: str, *, threads: int = 0, every: int = 1) -> Json:
    """Plain `SentenceTransformer.encode` with its defaults on these texts; model load apart.

    `threads` limits PyTorch (0 leaves its default); `every` takes one text of so many.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    from include.embedding.models import find_model
    from include.settings import REPOSITORY

    folder = find_model("all-MiniLM-L6-v2", REPOSITORY / ".cache" / "models").path
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    if threads:
        torch.set_num_threads(threads)
    model.encode(["Warm."])
    texts = json.loads(Path(texts_from).read_text())[::every]
    before, began = cpu_seconds(), time.monotonic()
    model.encode(texts, show_progress_bar=False)
    return {"cpu": cpu_seconds() - before, "wall": time.monotonic() - began, "texts": len(texts)}


def chunk_texts(source: str, lake: str, texts_to: str) -> Json:
    """Writes the texts of all chunks of a lake, as a reader of the index finds them."""
    made, _ = platform(Path(source), Path(lake), instant=True)
    handle = made.database.open(f"chunks_{made.index_name}")
    assert handle is not None
    texts = handle.search().select(["text"]).limit(None).to_arrow()["text"].to_pylist()
    Path(texts_to).write_text(json.dumps(texts))
    counts = [made.tokenizer.count(text) for text in texts]
    return {"chunks": len(texts), "unique": len(set(texts)), "tokens": sum(counts)}


def retrieval(folder: str, lake: str, precision: str) -> Json:
    """A real sync of one collection, then its questions in the three modes."""
    from include.commands.evaluate import evaluate
    from include.commands.ingest import sync

    collection = Path(folder)
    settings = {"RAG_EMBEDDER_PRECISION": precision}
    made, _ = platform(collection / "docs", Path(lake), instant=False, settings=settings)
    receipt, _ = sync(made)
    questions = collection / "questions.jsonl"
    metrics = {
        mode: evaluate(made, questions, mode=mode)[0]["metrics"]
        for mode in ("vector", "text", "hybrid")
    }
    return {"metrics": metrics, "chunks": receipt["chunks"], "quarantined": receipt["quarantined"]}


def _write_profile(profiler: cProfile.Profile, target: str) -> None:
    with open(target, "w") as file:
        stats = pstats.Stats(profiler, stream=file)
        stats.sort_stats("tottime").print_stats(45)
        stats.sort_stats("cumulative").print_stats(70)


def _scenarios() -> dict[str, Callable[..., Json]]:
    from tests.benchmarks.local_edits import paragraph_edits
    from tests.benchmarks.wide_manifest import detect_wide, write_wide

    own = (sync_once, command_line, imports, versions, encode, chunk_texts, retrieval)
    return {each.__name__: each for each in (*own, paragraph_edits, detect_wide, write_wide)}


if __name__ == "__main__":
    answer = _scenarios()[sys.argv[1]](**json.loads(sys.argv[2]))
    print(json.dumps(answer, default=str))
