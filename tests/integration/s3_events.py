"""How long until an object that was put is found, and what becomes of a burst of 2,000.

A local Airflow (SQLite, LocalExecutor) watches a bucket through its queue. Minutes, not seconds:

    python -m tests.integration.s3_events [--port 15210] [--model] [--objects 2000] [--only burst]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from include.settings import Settings
from include.wiring import Platform
from tests.integration.burst import Burst, texts, waves
from tests.integration.cloud import Cloud
from tests.s3.stores import served
from tools.airflow_api import AirflowApi, UnreachableError
from tools.airflow_home import USER, AirflowHome
from tools.airflow_start import start, sweep

LONGEST_SECONDS = 900


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=15210)
    parser.add_argument("--model", action="store_true", help="embed with the default model")
    parser.add_argument("--objects", type=int, default=2_000)
    parser.add_argument("--only", choices=["latency", "burst"])
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
            until(lambda: knows(airflow, "ingest_documents") and knows(airflow, "watch_source"))
            figures = {}
            if options.only != "burst":
                figures["latency"] = latency(cloud, airflow)
            if options.only != "latency":
                figures["burst"] = burst(cloud, airflow, options.objects)
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
        # Plain, so that the index holds it letter by letter, as the burst compares all texts.
        cloud.put(f"single-{number}.md", f"It holds {word} and nothing else.")
        began = time.monotonic()
        until(lambda word=word: found(word))
        seconds.append(round(time.monotonic() - began, 1))
        say(f"found after {seconds[-1]} s")
    measured = seconds[1:]  # the first one builds the index
    median = statistics.median(measured)
    return {"seconds": measured, "median": median, "first": seconds[0], "met": median <= 30}


def burst(cloud: Cloud, airflow: AirflowApi, count: int) -> dict[str, object]:
    """Waves of changes with lost, late and doubled notifications, ingestion paused during one of them."""
    before, began = ingest_runs(airflow), time.monotonic()
    made = Burst(cloud, count)
    paused = waves(
        made,
        lambda on: airflow.patch("/dags/ingest_documents", {"is_paused": on}),
        lambda: ingesting(airflow),
    )
    say(f"burst written after {time.monotonic() - began:.0f} s: {made.done}")
    until(lambda: cloud.waiting() == 0 and not busy(airflow))
    made.last_unheard()
    missing = behind()
    say(f"before the sweep, {missing} documents are behind after {time.monotonic() - began:.0f} s")
    # What `RAG_WATCH_SWEEP_MINUTES` does by itself: a run that no event woke.
    airflow.post("/dags/watch_source/dagRuns", {"logical_date": None})
    until(lambda: not busy(airflow) and indexed() == cloud.names() and behind() == 0)
    seconds = round(time.monotonic() - began, 1)
    runs, equal = ingest_runs(airflow) - before, index_texts() == texts(cloud)
    return {
        **made.done, "objects": len(cloud.names()), "seconds": seconds, "paused": round(paused, 1),
        "behind_before_the_sweep": missing, "ingest_runs": runs, "texts_equal": equal,
        "met": runs <= 20 and equal,
    }  # fmt: skip


def platform() -> Platform:
    return Platform(Settings.from_environment())


def found(word: str) -> bool:
    fresh = platform()
    live = fresh.registry.live()
    return live is not None and bool(fresh.store.search_text(live.name, word, 3))


def indexed() -> set[str]:
    prefix = os.environ["RAG_SOURCE_URI"] + "/"
    return {uri.removeprefix(prefix) for uri in platform().tables.documents.read(["uri"])["uri"]}


def index_texts() -> dict[str, str]:
    """What the index says of every document; each is one chunk."""
    fresh = platform()
    live = fresh.registry.live()
    assert live is not None
    handle = fresh.database.open(f"chunks_{live.name}")
    assert handle is not None
    rows = handle.search().select(["uri", "text"]).limit(None).to_arrow().to_pylist()
    found = {str(row["uri"]).rpartition("/")[2]: str(row["text"]) for row in rows}
    assert len(found) == len(rows)
    return found


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


def knows(airflow: AirflowApi, dag: str) -> bool:
    return bool(airflow.get("/dags", dag_id_pattern=dag, limit=5)["total_entries"])


def ingesting(airflow: AirflowApi) -> bool:
    found = airflow.get("/dags/ingest_documents/dagRuns", state="running", limit=1)
    return bool(found["total_entries"])


def until(true: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not _known(true):
        if time.monotonic() - began > LONGEST_SECONDS:
            raise TimeoutError(f"not within {LONGEST_SECONDS} s")
        time.sleep(1)


def _known(true: Callable[[], bool]) -> bool:
    """Whether it is true; an API that does not answer at the moment has not said so."""
    try:
        return true()
    except UnreachableError:
        return False


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
