"""`evaluate --against live`: 200 questions on two indexes of 10,000 chunks; seconds and CPU seconds.

    python -m tests.benchmarks.bench_evaluate [--chunks 10000] [--questions 200] [--lake FOLDER]

Documents of ten chunks of about 1,000 characters. Questions are embedded by the default local
model; the vectors of the chunks are made from their hashes, for their values cost nothing to compare.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from include.settings import Settings
from include.wiring import Platform
from tests.benchmarks.bench_verify import CHUNKS_PER_DOCUMENT, SOURCE, build, paragraph
from tests.benchmarks.figures import HEADER, Figure, limited
from tests.benchmarks.metering import cpu_seconds, peak_megabytes

CANDIDATE = "candidate"


def main() -> None:
    """Builds a lake, unless one is given, and prints the figures of an evaluation."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("build", "evaluate"))
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--against", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--lake", type=Path)
    chosen = parser.parse_args()
    if chosen.step:
        steps = {"build": _build, "evaluate": _evaluate}
        print(json.dumps(steps[chosen.step](_platform(chosen.lake), chosen)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if not chosen.lake:
            chosen.lake = Path(folder)
            _child("build", chosen)
        print(HEADER)
        for against in (False, True):
            chosen.against = against
            _print(_child("evaluate", chosen), chosen)


def _print(done: dict[str, Any], chosen: argparse.Namespace) -> None:
    name = f"evaluate{' --against live' * chosen.against}"
    size = f"{done['questions']} questions, {done['chunks']:,} chunks an index, {done['mode']}"
    print(limited(f"{name}: CPU seconds, imports included", done["cpu"], 60, "s", size).line())
    print(Figure(f"{name}: seconds", f"{done['seconds']:.3g} s").line())
    print(Figure(f"{name}: largest resident size", f"{done['peak_mb']:.0f} MB").line())


def _child(step: str, chosen: argparse.Namespace) -> dict[str, Any]:
    arguments = [step, "--lake", str(chosen.lake), "--chunks", str(chosen.chunks)]
    arguments += ["--questions", str(chosen.questions)]
    arguments += ["--against" if chosen.against else "--no-against"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_evaluate", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _platform(lake: Path) -> Platform:
    values = {"RAG_SOURCE_URI": SOURCE, "RAG_LAKE_URI": lake.absolute().as_uri()}
    return Platform(Settings.from_environment(values))


def _build(platform: Platform, chosen: argparse.Namespace) -> dict[str, Any]:
    from include.storage.scans import Scan
    from include.vectorstore.protocol import chunk_schema

    built = build(platform, chosen.chunks)
    live = platform.registry.live()
    assert live is not None
    scan = Scan.of(platform.database, f"chunks_{live.name}")
    assert scan is not None
    schema = chunk_schema(live.dimensions)
    rows = scan.handle.to_arrow().select(schema.names).cast(schema)
    platform.store.create(CANDIDATE, live.dimensions)
    platform.store.publish(CANDIDATE, rows, [])
    platform.store.optimize(CANDIDATE)
    platform.registry.add(replace(live, name=CANDIDATE, state="candidate"))
    return built


def _evaluate(platform: Platform, chosen: argparse.Namespace) -> dict[str, Any]:
    from include.commands.evaluate import Asked, evaluate

    path = chosen.lake / "questions.jsonl"
    path.write_text("\n".join(_line(number) for number in range(chosen.questions)))
    began = time.monotonic()
    against = "live" if chosen.against else None
    asked = Asked(path, index=CANDIDATE, against=against, report=chosen.lake / "report.html")
    answer, _ = evaluate(platform, asked)
    return {
        "questions": answer["questions"],
        "chunks": platform.store.count(CANDIDATE),
        "mode": answer["mode"],
        "metrics": answer["metrics"],
        "verdict": answer["verdict"],
        "seconds": time.monotonic() - began,
        "cpu": cpu_seconds(),
        "peak_mb": peak_megabytes(),
    }


def _line(number: int) -> str:
    """A question with ten words of one chunk, and that chunk's document."""
    words = paragraph(number, number % CHUNKS_PER_DOCUMENT).split()[-60:-50]
    key = f"{number % 100:02d}/document-{number}.txt"
    tags = ["even" if number % 2 == 0 else "odd"]
    return json.dumps(
        {"id": f"q{number}", "question": " ".join(words), "relevant": {key: 1}, "tags": tags}
    )


if __name__ == "__main__":
    main()
