"""`verify` on a lake of 100,000 chunks: seconds, CPU seconds and memory, each in its own process.

    python -m tests.benchmarks.bench_verify [--chunks 100000] [--repair] [--lake FOLDER]

The lake is synthetic: documents of ten chunks of about 1,000 characters, vectors of 384 dimensions,
texts, signatures, cache, full-text index, registry. With `--repair`, a hundred chunks get
another vector and another span, and up to ten documents lose their chunks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from include.documents import chunk_ids, document_id, text_hash
from include.settings import Settings
from include.storage.tables import DOCUMENTS
from include.vectorstore.protocol import chunk_schema
from include.wiring import Platform
from tests.benchmarks.figures import HEADER, limited
from tests.benchmarks.metering import cpu_seconds, instant_vectors, peak_megabytes

DIMENSIONS, CHUNKS_PER_DOCUMENT, DOCUMENTS_PER_COMMIT = 384, 10, 2_000
SOURCE = "file:///srv/documents"
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Builds a lake, unless one is given, and prints the figures of a verification."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="?", choices=("build", "damage", "verify"))
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--repair", action="store_true")
    parser.add_argument("--lake", type=Path)
    chosen = parser.parse_args()
    if chosen.step:
        platform = _platform(chosen.lake)
        steps = {"build": _build, "damage": _damage, "verify": _verify}
        print(json.dumps(steps[chosen.step](platform, chosen)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if not chosen.lake:
            chosen.lake = Path(folder)
            _child("build", chosen)
        print(HEADER)
        _print(_child("verify", chosen), "verify")
        if chosen.repair:
            _child("damage", chosen)
            _print(_child("verify", chosen, "--repair"), "verify --repair of a damaged lake")


def _print(done: dict[str, Any], name: str) -> None:
    size = f"{done['checked']['chunks']:,} chunks; found {done['counts'] or 'nothing'}"
    print(limited(f"{name}: seconds", done["seconds"], 10, "s", size).line())
    print(limited(f"{name}: CPU seconds, imports included", done["cpu"], 20, "s").line())
    print(limited(f"{name}: largest resident size", done["peak_mb"], 1_000, "MB").line())


def _child(step: str, chosen: argparse.Namespace, *more: str) -> dict[str, Any]:
    module, lake = "tests.benchmarks.bench_verify", str(chosen.lake)
    arguments = [step, "--lake", lake, "--chunks", str(chosen.chunks), *more]
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _platform(lake: Path) -> Platform:
    values = {
        "RAG_SOURCE_URI": SOURCE,
        "RAG_LAKE_URI": lake.absolute().as_uri(),
        "RAG_EMBEDDER": f"fake:{DIMENSIONS}",
    }
    return Platform(Settings.from_environment(values))


def _verify(platform: Platform, chosen: argparse.Namespace) -> dict[str, Any]:
    from include.commands.verify import verify

    began = time.monotonic()
    answer, _ = verify(platform, repair=chosen.repair, source=False)
    return {
        "checked": answer["checked"],
        "counts": answer["counts"],
        "seconds": time.monotonic() - began,
        "cpu": cpu_seconds(),
        "peak_mb": peak_megabytes(),
    }


def _damage(platform: Platform, chosen: argparse.Namespace) -> dict[str, Any]:
    table = platform.database.open(f"chunks_{platform.index_name}")
    other = instant_vectors(["something else"], DIMENSIONS)[0].tolist()
    ids = table.search().select(["id", "document_id"]).limit(None).to_arrow()
    some = ids["id"].to_pylist()[:: chosen.chunks // 100]
    gone = sorted(set(ids["document_id"].to_pylist()))[:: chosen.chunks // 100]
    named = ", ".join(f"'{each}'" for each in some)
    table.update(where=f"id IN ({named})", values={"vector": other, "start": 1})
    table.delete(f"document_id IN ({', '.join(map(repr, gone))})")
    return {"damaged": len(some) + len(gone)}


def _build(platform: Platform, chosen: argparse.Namespace) -> dict[str, Any]:
    return build(platform, chosen.chunks)


def build(platform: Platform, chunks: int) -> dict[str, Any]:
    """Fills the configured index of 384 dimensions with so many chunks, and makes it live."""
    platform.store.create(platform.index_name, DIMENSIONS)
    documents = chunks // CHUNKS_PER_DOCUMENT
    for start in range(0, documents, DOCUMENTS_PER_COMMIT):
        _publish(platform, range(start, min(start + DOCUMENTS_PER_COMMIT, documents)))
    platform.store.optimize(platform.index_name)
    platform.registry.record_sync(
        platform.index_name, "benchmark", WRITTEN,
        embedder=platform.embedder.identity.id, chunker=platform.chunker.id, dimensions=DIMENSIONS,
    )  # fmt: skip
    return {"documents": documents}


def _publish(platform: Platform, numbers: range) -> None:
    from include.stages.signatures import sign_texts

    manifest, chunks, texts = [], [], []
    for number in numbers:
        parts = [paragraph(number, part) for part in range(CHUNKS_PER_DOCUMENT)]
        text = "\n\n".join(parts)
        row = _document(number, text)
        manifest.append(row)
        texts.append({"text_hash": row["text_hash"], "text": text, "blocks": [], "pages": []})
        chunks += _chunks(row, parts, platform.chunker.id)
    signed = pl.DataFrame(texts).select("text_hash", pl.col("text").str.head(200))
    vectors = instant_vectors([row["text"] for row in chunks], DIMENSIONS)
    platform.cache.put([row["text_hash"] for row in chunks], vectors)
    schema = chunk_schema(DIMENSIONS)
    columns = {name: [row[name] for row in chunks] for name in schema.names if name != "vector"}
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIMENSIONS)
    table = pa.table({**columns, "vector": flat}, schema=schema)
    platform.tables.texts.upsert(pa.Table.from_pylist(texts, platform.tables.texts.schema))
    sign_texts(platform.tables, signed)
    platform.store.publish(platform.index_name, table, [])
    platform.tables.documents.upsert(pa.Table.from_pylist(manifest, DOCUMENTS))


def paragraph(number: int, part: int) -> str:
    """The text of one chunk of one document: about 1,000 characters."""
    words = (f"word{(number * 31 + part * 17 + at * at) % 9_973}" for at in range(110))
    return f"Part {part} of document {number} — naïve prose: " + " ".join(words)


def _document(number: int, text: str) -> dict[str, Any]:
    key = f"{number % 100:02d}/document-{number}.txt"
    name, uri = document_id(SOURCE, key), f"{SOURCE}/{key}"
    texts = ("content_hash", "metadata_hash", "version", "stamp")
    return {
        "id": name, "file_id": name, "source": SOURCE, "key": key, "uri": uri, "title": key,
        "sidecar_stamp": "", "text_hash": text_hash(text), "media_type": "text/plain",
        "language": "en", "metadata": "{}", "size": len(text), "modified": WRITTEN,
        "chunks": CHUNKS_PER_DOCUMENT, "tokens": 1_000, "first_ingested": WRITTEN,
        "ingested": WRITTEN, "run_id": "benchmark", **dict.fromkeys(texts, f"v{number}"),
    }  # fmt: skip


def _chunks(document: dict[str, Any], parts: list[str], chunker: str) -> list[dict[str, Any]]:
    ids, at, rows = chunk_ids(document["id"], chunker, parts), 0, []
    shared = {name: document[name] for name in ("uri", "version", "title", "language", "metadata")}
    for name, part in zip(ids, parts, strict=True):
        end = at + len(part)
        rows.append(
            {
                "id": name, "document_id": document["id"], **shared, "heading": [], "text": part,
                "text_hash": text_hash(part), "start": at, "end": end, "tokens": 110, "page": 0,
                "context_start": at, "context_end": end, "acl": [], "row_hash": name,
                "run_id": "benchmark",
            }
        )  # fmt: skip
        at = end + 2
    return rows


if __name__ == "__main__":
    main()
