"""What fetching several objects at once saves when each answer of the store takes its time.

    python -m tests.benchmarks.bench_reading [--objects 300] [--milliseconds 20]

Small objects are read through a proxy that waits before every GET; nothing is parsed. As in a task of a
Dag, the source was listed by another process, so that each object's two possible sidecars are asked for.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from typing import Any
from unittest import mock

from include.extraction import Extracted
from include.settings import Settings
from include.stages import reading
from include.storage.s3_source import S3Source
from include.wiring import Platform
from tests.s3.stores import Store, served


class Unparsed:
    """Takes every file for a document without looking at it."""

    def extract(self, source: str, name: str, raw: bytes) -> list[Extracted]:
        """One empty document."""
        return [Extracted(reason="", content="")]


def seconds(proxy: Store, bucket: str, objects: int, readers: int) -> float:
    """How long all objects take with so many requests at once."""
    uri = f"s3://{bucket}/docs"
    sources: Any = {uri: S3Source(uri, proxy.access())}
    platform = Platform(Settings.from_environment({"RAG_ENV_FILE": "", "RAG_EMBEDDER": "fake:32"}))
    what = replace(platform.reading(may_embed=False), sources=sources)
    rows: list[dict[str, object]] = [
        {"id": str(n), "source": uri, "key": f"{n}.txt", "size": 4} for n in range(objects)
    ]
    with mock.patch.object(reading, "REMOTE_READERS", readers):
        began = time.monotonic()
        assert len(list(reading.read_files(rows, what, lambda _: None, Unparsed()))) == objects
        return time.monotonic() - began


def main() -> int:
    """Prints both times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--objects", type=int, default=300)
    parser.add_argument("--milliseconds", type=float, default=20)
    options = parser.parse_args()
    with (
        served("tests.s3.moto_process") as store,
        served("tests.s3.bad_proxy", store.endpoint, "slow", str(options.milliseconds / 1000)) as proxy,
    ):  # fmt: skip
        bucket, client = store.bucket(), store.access().client
        for number in range(options.objects):
            client.put_object(Bucket=bucket, Key=f"docs/{number}.txt", Body=b"text")
        for readers in (1, reading.REMOTE_READERS):
            took = seconds(proxy, bucket, options.objects, readers)
            print(
                f"{readers} at once: {took:.1f} s, {1000 * took / options.objects:.0f} ms an object"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
