"""How large a lake gets: 100 runs that each change 1 % of 1,000 documents, against a fresh one.

    python -m tests.benchmarks.bench_retention [--documents 1000] [--runs 100]

A model of words makes vectors of 384 dimensions. Maintenance after every tenth run and at the end
keeps nothing back for readers, as if each run were a week apart. Takes some ten minutes.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.commands.ingest import sync
from include.settings import Settings
from include.stages.forget import forget
from include.stages.maintain import compact, prune
from include.wiring import Platform
from tests.benchmarks.worlds import environment

WORDS = 600
DIMENSIONS = 384
_VOCABULARY = [
    f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "rt", "st", "l")
]


def main() -> int:
    """Prints the bytes after the runs, of a fresh ingest, and of bookkeeping beside vectors."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source").mkdir()
        chance = random.Random(1)
        for number in range(options.documents):
            _write(folder / "source", number, chance)
        _measure(folder, options.documents, options.runs, chance)
    return 0


def _measure(folder: Path, documents: int, runs: int, chance: random.Random) -> None:
    used = folder / "used"
    _sync(folder, used)
    for run in range(1, runs + 1):
        for number in chance.sample(range(documents), max(1, documents // 100)):
            _edit(folder / "source", number, chance)
        _sync(folder, used)
        if run % 10 == 0:
            print(f"run {run}: {_megabytes(used)} MB", end=", ", flush=True)
            _maintain(folder, used)
            print(f"{_megabytes(used)} MB after maintenance", flush=True)
    fresh = folder / "fresh"
    _sync(folder, fresh)
    _maintain(folder, fresh)
    _report("vectors kept for ever", used, fresh)
    _maintain(folder, used, vectors_before=datetime.now(UTC))
    _report("unused vectors expired", used, fresh)
    vectors = _platform(folder, used).cache.count() * DIMENSIONS * 4
    books = _bookkeeping(used)
    print(
        f"bookkeeping {books / 1e6:.2f} MB, vectors {vectors / 1e6:.2f} MB: {books / vectors:.1%}"
    )
    shutil.rmtree(used)


def _report(name: str, used: Path, fresh: Path) -> None:
    ratio = _bytes(used) / _bytes(fresh)
    print(f"{name}: {_megabytes(used)} MB, fresh {_megabytes(fresh)} MB, ratio {ratio:.2f}")


def _platform(folder: Path, lake: Path) -> Platform:
    chosen = {"RAG_EMBEDDER": f"fake:{DIMENSIONS}", "RAG_CHUNK_TOKENS": "128"}
    return Platform(Settings.from_environment(environment(folder / "source", lake, **chosen)))


def _sync(folder: Path, lake: Path) -> None:
    sync(_platform(folder, lake))


def _maintain(folder: Path, lake: Path, vectors_before: datetime | None = None) -> None:
    platform = _platform(folder, lake)
    prune(platform.lake, before=datetime.now(UTC))
    forget(platform.lake, platform.database, vectors_before=vectors_before)
    compact(platform.upkeep, older_than=timedelta(milliseconds=1))


def _write(source: Path, number: int, chance: random.Random) -> None:
    paragraphs = (" ".join(chance.choices(_VOCABULARY, k=60)) for _ in range(WORDS // 60))
    (source / f"document-{number:05d}.txt").write_text("\n\n".join(paragraphs))


def _edit(source: Path, number: int, chance: random.Random) -> None:
    path = source / f"document-{number:05d}.txt"
    paragraphs = path.read_text().split("\n\n")
    at = chance.randrange(len(paragraphs))
    paragraphs[at] = " ".join(chance.choices(_VOCABULARY, k=60))
    path.write_text("\n\n".join(paragraphs))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _megabytes(folder: Path) -> str:
    return f"{_bytes(folder) / 1e6:.1f}"


def _bookkeeping(lake: Path) -> int:
    """All that is neither text nor chunk nor vector."""
    tables = [
        path
        for path in (lake / "tables").iterdir()
        if not path.name.startswith(("chunks_", "embeddings_", "texts."))
    ]
    beside = [path for path in lake.iterdir() if path.name not in ("tables", "runs")]
    return sum(
        _bytes(path) if path.is_dir() else path.stat().st_size for path in (*tables, *beside)
    )


if __name__ == "__main__":
    raise SystemExit(main())
