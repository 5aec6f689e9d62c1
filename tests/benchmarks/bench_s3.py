"""Listing a bucket of a million keys and comparing it with the manifest.

    python -m tests.benchmarks.bench_s3 [--keys 1000000] [--milliseconds 50] [--layout flat]

The bucket is a stand-in that answers listings only (`listing_stand_in`), each after so many
milliseconds. Writing the manifest and comparing happen in processes of their own; the memory is that of
the one that compares.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import polars as pl

from include.settings import Settings
from include.wiring import Platform
from tests.benchmarks.figures import HEADER, Figure, exact, limited
from tests.benchmarks.listing_stand_in import LAYOUTS
from tests.benchmarks.metering import cpu_seconds, peak_megabytes
from tests.s3.stores import served

STAND_IN = "tests.benchmarks.listing_stand_in"
Json = dict[str, object]


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--milliseconds", type=int, default=50)
    parser.add_argument("--layout", choices=tuple(LAYOUTS), default="folders")
    parser.add_argument("--child", choices=("write", "compare"))
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(_write() if chosen.child == "write" else _compare()))
        return
    with tempfile.TemporaryDirectory() as folder:
        keys, rest = str(chosen.keys), (str(chosen.milliseconds), chosen.layout)
        with served(STAND_IN, keys, "1", *rest) as store:
            _child("write", folder, store.connection())
        with served(STAND_IN, keys, "2", *rest) as store:
            found = _child("compare", folder, store.connection())
    hundredth = chosen.keys // 100
    edited = sum(number // 100 % 100 == 50 for number in range(hundredth, chosen.keys))
    wanted = [hundredth, edited, hundredth, chosen.keys - hundredth - edited]
    pages = -(-chosen.keys // 1_000)
    alone = pages * chosen.milliseconds / 1e3
    print(HEADER)
    for figure in (
        limited("memory of listing and comparing", float(str(found["peak_mb"])), 1_000, "MB"),
        Figure("memory after listing alone", f"{found['listing_mb']:.0f} MB"),
        exact("added, touched, removed, unchanged", found["found"], wanted),
        Figure(
            "listing alone", f"{found['listing_seconds']:.1f} s, {found['listing_cpu']:.1f} CPU s"
        ),
        Figure("listing and comparing", f"{found['seconds']:.1f} s, {found['cpu']:.1f} CPU s"),
        Figure(
            "requests of a listing; at once, on average and at most",
            f"{found['requests']}; {found['at_once']:.1f}, {found['most_at_once']}",
            note=f"{pages} pages",
        ),
        Figure("waiting of one request after the other", f"{alone:.0f} s"),
    ):
        print(figure.line())


class _Requests:
    """Counts listing requests of a platform, and how many of them wait for their answer at once."""

    def __init__(self, platform: Platform) -> None:
        self.count = self.most = self._now = 0
        self.seconds = 0.0
        self._events = platform.s3.client.meta.events
        self._began = threading.local()
        self._turn = threading.Lock()
        self._events.register("before-send.s3.ListObjectsV2", self._sent)
        self._events.register("before-parse.s3.ListObjectsV2", self._answered)

    def stop(self) -> None:
        """Counts no more."""
        self._events.unregister("before-send.s3.ListObjectsV2", self._sent)
        self._events.unregister("before-parse.s3.ListObjectsV2", self._answered)

    def _sent(self, **_: object) -> None:
        self._began.at = time.monotonic()
        with self._turn:
            self._now += 1
            self.most = max(self.most, self._now)

    def _answered(self, **_: object) -> None:
        with self._turn:
            self._now -= 1
            self.count += 1
            self.seconds += time.monotonic() - self._began.at


def _platform() -> Platform:
    return Platform(Settings.from_environment())


def _write() -> Json:
    """The manifest of the bucket's first edition."""
    from include.storage.source import listing_batches

    platform = _platform()
    [source] = platform.sources.values()
    names = ("file_id", "content_hash", "text_hash", "metadata_hash", "version")
    for batch in listing_batches(source.list(), rows=100_000):
        rows = batch.with_columns(
            **{name: pl.col("id") for name in names},
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
        platform.tables.documents.insert_absent(rows)
    return {"rows": platform.tables.documents.count()}


def _compare() -> Json:
    """The whole detect stage against the second edition; before it, the listing by itself."""
    from include.stages.detect import detect

    platform = _platform()
    [source] = platform.sources.values()
    meter = _Requests(platform)
    before, began = cpu_seconds(), time.monotonic()
    count = sum(1 for _ in source.list())
    listing_cpu, listing_seconds = cpu_seconds() - before, time.monotonic() - began
    listing_mb = peak_megabytes()
    meter.stop()
    before, began = cpu_seconds(), time.monotonic()
    options = platform.detect_options("cli-benchmark")
    found = detect([source], platform.tables, platform.artifacts("cli-benchmark"), options)
    return {
        "listed": count,
        "requests": meter.count,
        "at_once": meter.seconds / listing_seconds,
        "most_at_once": meter.most,
        "listing_seconds": listing_seconds,
        "listing_cpu": listing_cpu,
        "seconds": time.monotonic() - began,
        "cpu": cpu_seconds() - before,
        "listing_mb": listing_mb,
        "peak_mb": peak_megabytes(),
        "found": [found.added, found.touched, found.removed, found.unchanged],
    }


def _child(name: str, folder: str, connection: str) -> Json:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAG_", "AIRFLOW_"))}
    environment = {
        "RAG_SOURCE_URI": "s3://wide/docs",
        "RAG_LAKE_URI": (Path(folder) / "lake").as_uri(),
        "RAG_EMBEDDER": "fake:32",
        "RAG_ENV_FILE": "",
        "AIRFLOW_CONN_RAG_S3": connection,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_s3", "--child", name],
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    answer: Json = json.loads(done.stdout.splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
