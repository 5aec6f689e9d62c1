"""CPU seconds of every local engine beside plain `SentenceTransformer.encode` with its defaults.

    python tests/benchmarks/bench_embedding.py [--rounds 4] [--chunks 48] [--tokens 250] [--short]

Each engine lives in a process of its own, with its model loaded and warm; the processes take
turns on the same chunks, so that load on the machine hits all of them alike. CPU seconds include
tokenising and every thread. Chunks are cut from the descriptions of the installed distributions.
Beside the times: cosine to the baseline's vectors, and the difference of single numbers.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from include.embedding.engine import cores  # noqa: E402 - the repository is not installed
from include.embedding.models import ModelFolder, find_model  # noqa: E402

MODEL = "all-MiniLM-L6-v2"
CACHE = ROOT / ".cache" / "models"
BASELINE = "encode"
ENGINES = {
    "openvino": {"precision": "fp32", "engine": "openvino"},
    "int8": {"precision": "int8", "engine": "auto"},
    "torch": {"precision": "fp32", "engine": "torch"},
}


def chunks(model: ModelFolder, count: int, tokens: int) -> list[str]:
    """Pieces of real descriptions of about `tokens` tokens, spread over all distributions."""
    tokenizer = model.tokenizer()
    found: dict[str, None] = {}
    for distribution in importlib.metadata.distributions():
        text = str(distribution.metadata.get_payload() or "")
        starts = tokenizer.starts(text)
        for at in range(0, len(starts) - tokens, tokens):
            piece = text[starts[at] : starts[at + tokens]]
            if tokenizer.count(piece) <= tokenizer.limit:
                found[piece] = None
    pieces = sorted(found)
    return pieces[:: max(1, len(pieces) // count)][:count]


def worker(name: str, file: Path) -> None:
    """Loads one engine, then embeds the slice named by each line of stdin and prints the times."""
    texts = json.loads(file.read_text())
    embed = encoder(name)
    np.save(file.with_name(f"{name}.npy"), embed(texts))
    print("ready", flush=True)
    for line in sys.stdin:
        first, last = map(int, line.split())
        wall, cpu = time.perf_counter(), time.process_time()
        embed(texts[first:last])
        print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)


def encoder(name: str) -> Callable[[list[str]], Any]:
    """The function that a worker times."""
    model = find_model(MODEL, CACHE)
    if name == BASELINE:
        from sentence_transformers import SentenceTransformer

        baseline = SentenceTransformer(str(model.path), device="cpu", local_files_only=True)
        return lambda texts: baseline.encode(texts, show_progress_bar=False)
    from include.embedding.local import LocalEmbedder

    return LocalEmbedder(model, export_folder=CACHE, **ENGINES[name]).embed_documents


def start(name: str, file: Path) -> subprocess.Popen[str]:
    """A worker process, loaded and warm."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--worker", name, "--file", str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready", f"{name} did not start"
    return process


def race(names: list[str], file: Path, slices: list[tuple[int, int]]) -> dict[str, list[Any]]:
    """(CPU seconds, wall seconds) of every engine on every slice, taking turns."""
    workers = {name: start(name, file) for name in names}
    taken: dict[str, list[Any]] = {name: [] for name in names}
    for first, last in slices:
        for name, process in workers.items():
            assert process.stdin is not None
            assert process.stdout is not None
            print(first, last, file=process.stdin, flush=True)
            taken[name].append(tuple(map(float, process.stdout.readline().split())))
    for process in workers.values():
        process.communicate()
    return taken


def report(taken: dict[str, list[Any]], file: Path, per_round: int) -> None:
    """Prints one line per engine."""
    reference = np.load(file.with_name(f"{BASELINE}.npy"))
    base = [cpu for cpu, _ in taken[BASELINE]]
    print(f"{'engine':10} {'cpu s':>7} {'wall s':>7} {'chunks/cpu-s':>13} {'ratio':>6} "
          f"{'median':>7} {'range':>11} {'cos mean':>9} {'cos min':>8} {'max diff':>9}")  # fmt: skip
    for name, times in taken.items():
        cpu, wall = (sum(column) for column in zip(*times, strict=True))
        ratios = [own / other for (own, _), other in zip(times, base, strict=True)]
        vectors = np.load(file.with_name(f"{name}.npy"))
        cosine = np.sum(vectors * reference, axis=1)
        print(f"{name:10} {cpu:7.2f} {wall:7.2f} {len(times) * per_round / cpu:13.2f} "
              f"{cpu / sum(base):6.3f} {statistics.median(ratios):7.3f} "
              f"{min(ratios):5.2f}-{max(ratios):4.2f} {cosine.mean():9.4f} {cosine.min():8.4f} "
              f"{np.abs(vectors - reference).max():9.1e}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--chunks", type=int, default=48, help="chunks per round")
    parser.add_argument("--tokens", type=int, default=250, help="tokens per chunk")
    parser.add_argument("--short", action="store_true", help="cut chunks to varying lengths")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.file)
        return
    model = find_model(MODEL, CACHE)
    texts = chunks(model, options.rounds * options.chunks, options.tokens)
    if options.short:
        texts = [text[: len(text) * (1 + at % 4) // 4] for at, text in enumerate(texts)]
    size = len(texts) // options.rounds
    slices = [(at * size, (at + 1) * size) for at in range(options.rounds)]
    count = model.tokenizer().count
    print(f"{len(texts)} chunks, {sum(map(count, texts)) / len(texts):.0f} tokens on average; "
          f"{cores()} cores; model load in no figure")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chunks.json"
        file.write_text(json.dumps(texts))
        report(race([BASELINE, *ENGINES], file, slices), file, size)


if __name__ == "__main__":
    main()
