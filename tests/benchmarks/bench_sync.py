"""The platform's own figures, beside the bars they should reach.

    python -m tests.benchmarks.bench_sync [quick] [model] [retrieval --collections FOLDER]

`quick` (the default) needs no model and takes some ten minutes; `model` embeds about 3,000 chunks
three times and takes as long; `retrieval` syncs collections of golden questions and scores them.
`--only cold changed` chooses among the quick ones, `--profile FOLDER` says where their time goes.
CPU seconds are user and system time of all threads, after imports; nothing is wall time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.children import run
from tests.benchmarks.figures import HEADER, Figure
from tests.benchmarks.with_model import cold_against_encode, collections
from tests.benchmarks.without_model import Bench

Step = Callable[[], list[Figure]]
QUICK = ("cold", "unchanged", "changed", "moved", "paragraphs", "wide")


def steps(options: argparse.Namespace, folder: Path) -> Iterator[Step]:
    """The measurements asked for, in order; `unchanged` and what follows build on `cold`."""
    if "quick" in options.groups:
        bench = Bench(folder, options.documents, options.rounds)
        yield from (getattr(bench, name) for name in QUICK if name in options.only)
    if "model" in options.groups:
        yield partial(cold_against_encode, folder, options.model_documents)
    if "retrieval" in options.groups:
        yield partial(collections, folder, options.collections.resolve())


def profiled(folder: Path, options: argparse.Namespace) -> None:
    """Writes cProfile's view of a cold sync into the folder; it adds half to all times."""
    bench = Bench(folder, options.documents, 1)
    target = options.profile.resolve() / "cold.txt"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as lake:
        run("sync_once", source=str(bench.source), lake=lake, profile=str(target))
    print(f"Profile of a cold sync: {target}")


def main() -> int:
    """Prints each figure when it is known; 1 when one misses its bar."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.work or Path(scratch)).resolve()
        if options.profile:
            profiled(folder, options)
            return 0
        print(HEADER, flush=True)
        missed = 0
        for step in steps(options, folder):
            for figure in step():
                print(figure.line(), flush=True)
                missed += figure.good is False
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("groups", nargs="*", default=["quick"], help="quick, model, retrieval")
    parser.add_argument("--only", nargs="+", default=QUICK, choices=QUICK)
    parser.add_argument("--documents", type=int, default=2_000)
    parser.add_argument("--model-documents", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--collections", type=Path, help="holds */docs and */questions.jsonl")
    parser.add_argument("--work", type=Path, help="keep corpora and lakes in this folder")
    parser.add_argument("--profile", type=Path, help="profile a cold sync into this folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
