"""A sync of 100,000 documents of which none has changed: CPU seconds and memory, as users run it.

    python -m tests.benchmarks.bench_unchanged [--documents 100000]

Two corpora of as many files, one with ten times the text of the other, are ingested with a model of
words; then `python -m include sync` runs again on each, in a process of its own, imports included.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from include.settings import REPOSITORY
from tests.benchmarks.figures import HEADER, limited

PARAGRAPHS = (1, 10)
WORDS = 60


def main() -> None:
    """Builds both corpora and prints what a sync without changes takes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=100_000)
    chosen = parser.parse_args()
    print(HEADER)
    peaks = []
    for paragraphs in PARAGRAPHS:
        with tempfile.TemporaryDirectory() as folder:
            bytes_ = _write(Path(folder) / "source", chosen.documents, paragraphs)
            environment = _environment(Path(folder))
            first, _ = _sync(environment)
            assert first["added"] == chosen.documents, first
            again, used = _sync(environment)
        assert (again["unchanged"], again["embedded"]) == (chosen.documents, 0), again
        peaks.append(used["peak_mb"])
        size = f"{chosen.documents:,} documents, {bytes_ / 1e6:.0f} MB"
        print(limited("unchanged sync: CPU seconds", used["cpu"], 30, "s", size).line())
        print(limited("unchanged sync: largest resident size", used["peak_mb"], 1_000, "MB").line())
    ratio = peaks[1] / peaks[0]
    print(limited("memory, ten times the text ÷ once", ratio, 1.1, "").line(), flush=True)


def _write(folder: Path, documents: int, paragraphs: int) -> int:
    """Files in folders of a thousand, settled long ago; the number of bytes."""
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefghijklmnop", k=6)) for _ in range(3_000)]
    total = 0
    for number in range(documents):
        file = folder / f"{number // 1_000:03d}" / f"{number:06d}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "\n\n".join(" ".join(chance.choices(words, k=WORDS)) for _ in range(paragraphs))
        total += file.write_text(text)
        os.utime(file, (1_767_225_600, 1_767_225_600))
    return total


def _environment(folder: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}
    return own | {
        "RAG_ENV_FILE": "",
        "RAG_SOURCE_URI": (folder / "source").as_uri(),
        "RAG_LAKE_URI": (folder / "lake").as_uri(),
        "RAG_EMBEDDER": "fake:32",
        "RAG_CHUNK_TOKENS": "1000",
    }


def _sync(environment: dict[str, str]) -> tuple[dict[str, Any], dict[str, float]]:
    """The receipt, and what the process took with all its children."""
    report = (
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-m', 'include', 'sync', '--json'],"
        " stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps({'receipt': json.loads(done.stdout), 'peak_mb': used.ru_maxrss / 1024,"
        " 'cpu': used.ru_utime + used.ru_stime}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", report],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    return answer.pop("receipt"), answer


if __name__ == "__main__":
    main()
