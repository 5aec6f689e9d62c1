"""A manifest of 200,000 documents against a listing of that size, 3 % of them different."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from include.documents import SourceObject
from include.storage.source import LISTING, SourceContent, listing_frame
from tests.benchmarks.metering import cpu_seconds, peak_megabytes
from tests.benchmarks.worlds import platform

WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = "file:///srv/documents"


class WideSource:
    """Lists invented documents: 1 % edited, 1 % gone and 1 % new unless `first` state is asked."""

    def __init__(self, documents: int, *, first: bool) -> None:
        self._documents = documents
        self._first = first
        self.uri = SOURCE
        self.skipped: Mapping[str, int] = {}

    def list(self) -> Iterator[SourceObject]:
        """The objects, as a folder with 500 subfolders would list them."""
        shift = 0 if self._first else self._documents // 100
        for number in range(shift, self._documents + shift):
            key = f"reports/{number % 500:03d}/quarterly-report-{number:07d}.html"
            edited = not self._first and number % 100 == 50
            size = 7_000 + number % 1_000 + edited
            yield SourceObject(SOURCE, key, f"{SOURCE}/{key}", size, WRITTEN, f"{size}-1767225600")

    def read(self, key: str, limit_bytes: int, *, sidecar: bool = True) -> SourceContent:
        """Never asked for here."""
        raise NotImplementedError


def write_wide(folder: str, documents: int) -> dict[str, Any]:
    """Writes the manifest of the first state into a lake."""
    made, _ = platform(Path(folder) / "source", Path(folder) / "lake", instant=True)
    listing = listing_frame(WideSource(documents, first=True).list())
    text = {
        name: pl.col("id")
        for name in ("file_id", "content_hash", "text_hash", "metadata_hash", "version")
    }
    rows = listing.with_columns(
        **text,
        title=pl.col("key"),
        media_type=pl.lit("text/html"),
        language=pl.lit("en"),
        metadata=pl.lit('{"title": "Quarterly report"}'),
        chunks=pl.lit(10, pl.Int32),
        tokens=pl.lit(2_000, pl.Int64),
        first_ingested=pl.col("modified"),
        ingested=pl.col("modified"),
        run_id=pl.lit("benchmark"),
    )
    for start in range(0, rows.height, 50_000):
        made.tables.documents.upsert(rows[start : start + 50_000])
    return {"rows": made.tables.documents.count()}


def detect_wide(folder: str, documents: int) -> dict[str, Any]:
    """CPU and memory of the whole detect stage, and of `diff` alone on the frames."""
    from include.manifest import diff
    from include.stages.detect import STAMPS, detect

    source = Path(folder) / "source"
    made, _ = platform(source, Path(folder) / "lake", instant=True)
    made.tables.documents.read(list(STAMPS), {"id": "none"})
    pl.DataFrame(schema=LISTING).sort("id")
    base, before = peak_megabytes(), cpu_seconds()
    options = made.detect_options("cli-benchmark")
    wide = WideSource(documents, first=False)
    found = detect([wide], made.tables, made.artifacts("cli-benchmark"), options)
    cpu, peak = cpu_seconds() - before, peak_megabytes()
    before = cpu_seconds()
    manifest = made.tables.documents.read(list(STAMPS))
    manifest_cpu, before = cpu_seconds() - before, cpu_seconds()
    listing = listing_frame(wide.list())
    listing_cpu, before = cpu_seconds() - before, cpu_seconds()
    diff(manifest, listing, made.tables.quarantine.read(list(STAMPS)))
    return {
        "cpu": cpu,
        "listing_cpu": listing_cpu,
        "manifest_cpu": manifest_cpu,
        "diff_cpu": cpu_seconds() - before,
        "peak_mb": peak,
        "base_mb": base,
        "found": [found.added, found.touched, found.removed, found.unchanged],
    }
