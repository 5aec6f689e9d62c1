"""What takes the real model: whole cold syncs against plain `encode`, and retrieval quality."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.benchmarks.children import run, turns
from tests.benchmarks.corpus import corpus
from tests.benchmarks.edits import prepare_folder
from tests.benchmarks.figures import Figure, limited, retrieved

BARS = {"fp32": 0.85, "int8": 0.6}
SAMPLE = 5


def cold_against_encode(folder: Path, documents: int) -> list[Figure]:
    """Cold syncs in both precisions and `SentenceTransformer.encode` on the very same chunks.

    The three take turns on the machine; model loading, exporting and imports are in none.
    """
    source, texts, lake = folder / "small", folder / "texts.json", folder / "lake-texts"
    prepare_folder(source, corpus(documents, small=True))
    shutil.rmtree(lake, ignore_errors=True)
    run("sync_once", source=str(source), lake=str(lake))
    count = run("chunk_texts", source=str(source), lake=str(lake), texts_to=str(texts))
    plain, single, *done = turns(
        [
            ("encode", {"texts_from": str(texts)}),
            ("encode", {"texts_from": str(texts), "threads": 1, "every": SAMPLE}),
            *(("sync_once", _real(source, folder / f"lake-{each}", each)) for each in BARS),
        ]
    )
    figures = []
    for (precision, bar), one in zip(BARS.items(), done, strict=True):
        note = (
            f"{documents} documents, {count['chunks']} chunks ({count['unique']} different) of "
            f"{count['tokens'] / count['chunks']:.0f} tokens; CPU s: sync {one['cpu']:.1f}, of it "
            f"embedding {one['embedding_cpu']:.1f}; encode {plain['cpu']:.1f}"
        )
        ratio = one["cpu"] / plain["cpu"]
        figures.append(limited(f"cold sync / encode, {precision}", ratio, bar, "", note))
    ratio = single["cpu"] / single["texts"] * plain["texts"] / plain["cpu"]
    note = f"on one chunk of {SAMPLE}: PyTorch's threads spin while they wait for one another"
    name = "for comparison: encode on one thread / encode"
    return [*figures, Figure(name, f"{ratio:.3g}", note=note)]


def collections(folder: Path, place: Path) -> list[Figure]:
    """Each collection through a real sync and its golden questions, in both precisions."""
    figures = []
    for questions in sorted(place.glob("*/questions.jsonl")):
        for precision in BARS:
            name, lake = questions.parent.name, folder / f"lake-{questions.parent.name}-{precision}"
            shutil.rmtree(lake, ignore_errors=True)
            found = run("retrieval", folder=str(questions.parent), lake=str(lake), precision=precision)  # fmt: skip
            note = f"{precision}; {found['chunks']} chunks, {found['quarantined']} set aside"
            figures += [retrieved(name, mode, metrics, note) for mode, metrics in found["metrics"].items()]  # fmt: skip
    return figures


def _real(source: Path, lake: Path, precision: str) -> dict[str, object]:
    shutil.rmtree(lake, ignore_errors=True)
    settings = {"RAG_EMBEDDER_PRECISION": precision}
    return {"source": str(source), "lake": str(lake), "instant": False, "settings": settings}
