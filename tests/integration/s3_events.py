"""How long until an object that was put is found, and what becomes of a burst of 2,000.

A local Airflow (SQLite, LocalExecutor) watches a bucket through its queue. Minutes, not seconds:

    python -m tests.integration.s3_events [--port 15210] [--model] [--objects 2000]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from include.settings import Settings
from include.wiring import Platform
from tests.integration.cloud import Cloud
from tests.s3.stores import served
from tools.airflow_api import AirflowApi
from tools.airflow_home import USER, AirflowHome
from tools.airflow_start import start, sweep

LONGEST_SECONDS = 900


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=15210)
    parser.add_argument("--model", action="store_true", help="embed with the default model")
    parser.add_argument("--objects", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served("tests.s3.moto_process") as store:
        cloud = Cloud(store.endpoint)
        os.environ |= cloud.environment() | {
            "RAG_ENV_FILE": "",
            "RAG_LAKE_URI": (Path(folder) / "lake").as_uri(),
            "RAG_WATCH_SECONDS": "2",
            "RAG_WATCH_SWEEP_MINUTES": "60",
            "AIRFLOW_VAR_RAG_BUDGETS": '{"max_delete_fraction": 1}',
        }
        if not options.model:
            os.environ["RAG_EMBEDDER"] = "fake:32"
        home = AirflowHome(Path(folder) / "airflow")
        try:
            running, _ = start(home, port=options.port, demo=False)
            airflow = AirflowApi(running.url, USER, home.password())
            figures = {
                "latency": latency(cloud, airflow),
                "burst": burst(cloud, airflow, options.objects),
            }
        finally:
            sweep(home)
    print(json.dumps(figures, indent=1))
    return 0 if all(each["met"] for each in figures.values()) else 1


def latency(cloud: Cloud, airflow: AirflowApi, count: int = 10) -> dict[str, object]:
    """Seconds from the end of a PUT until a search finds the object, one after the other."""
    seconds = []
    for number in range(count + 1):
        word = f"zyx{number}wv"
        until(lambda: not busy(airflow))
        cloud.put(f"single-{number}.md", f"# Document\n\nIt holds {word} and nothing else.")
        began = time.monotonic()
        until(lambda word=word: found(word))
        seconds.append(round(time.monotonic() - began, 1))
        say(f"found after {seconds[-1]} s")
    measured = seconds[1:]  # the first one builds the index
    median = statistics.median(measured)
    return {"seconds": measured, "median": median, "first": seconds[0], "met": median <= 30}


def burst(cloud: Cloud, airflow: AirflowApi, count: int) -> dict[str, object]:
    """Many changes at once, some notifications lost, some late and twice; ingestion paused meanwhile."""
    before, began = ingest_runs(airflow), time.monotonic()
    rng = random.Random(7)
    names = [f"burst-{number}.md" for number in range(count * 4 // 5)]
    lost = set(rng.sample(names, count // 100))
    heard = [name for name in names if name not in lost]
    cloud.put_all((name, f"First text of {name}.") for name in heard)
    airflow.patch("/dags/ingest_documents", {"is_paused": True})
    changed = rng.sample(heard, count // 5)
    cloud.put_all((name, f"Second text of {name}.") for name in changed)
    for name in rng.sample(heard, count // 10):
        cloud.delete(name)
    cloud.repeat(rng.sample(heard, count // 20))
    cloud.notify(False)
    cloud.put_all((name, f"Lost text of {name}.") for name in lost)
    cloud.notify(True)
    say(f"burst written after {time.monotonic() - began:.0f} s")
    until(lambda: cloud.waiting() == 0)
    airflow.patch("/dags/ingest_documents", {"is_paused": False})
    until(lambda: not busy(airflow))
    # What `RAG_WATCH_SWEEP_MINUTES` does by itself: a run that no event woke.
    airflow.post("/dags/watch_source/dagRuns", {"logical_date": None})
    until(lambda: indexed() == cloud.names() and behind() == 0)
    seconds = round(time.monotonic() - began, 1)
    runs = ingest_runs(airflow) - before
    total = len(cloud.names())
    return {"objects": total, "seconds": seconds, "ingest_runs": runs, "met": runs <= 20}


def platform() -> Platform:
    return Platform(Settings.from_environment())


def found(word: str) -> bool:
    fresh = platform()
    live = fresh.registry.live()
    return live is not None and bool(fresh.store.search_text(live.name, word, 3))


def indexed() -> set[str]:
    prefix = os.environ["RAG_SOURCE_URI"] + "/"
    return {uri.removeprefix(prefix) for uri in platform().tables.documents.read(["uri"])["uri"]}


def behind() -> int:
    """How many documents differ between the bucket and the manifest, versions included."""
    from include.stages.detect import detect

    fresh = platform()
    options = fresh.detect_options("integration", allow_deletions=True)
    changes = detect(
        list(fresh.sources.values()), fresh.tables, fresh.artifacts("integration"), options
    )
    return changes.added + changes.touched + changes.removed


def ingest_runs(airflow: AirflowApi) -> int:
    return int(airflow.get("/dags/ingest_documents/dagRuns", limit=1)["total_entries"])


def busy(airflow: AirflowApi) -> bool:
    states = ["queued", "running"]
    return bool(airflow.get("/dags/~/dagRuns", state=states, limit=1)["total_entries"])


def until(true: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > LONGEST_SECONDS:
            raise TimeoutError(f"not within {LONGEST_SECONDS} s")
        time.sleep(1)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
