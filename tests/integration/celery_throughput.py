"""What a second Celery worker adds to the embed stage, each worker pinned to one core.

The services are those of `tests.integration.celery_run`. Each round overwrites the documents in the bucket
and ingests them: 16 embed tasks of some 200,000 tokens, in which the fake embedder spends a fixed amount of
CPU time per text. One worker and two workers take turns; rounds are minutes long:

    python -m tests.integration.celery_throughput [--port 15220] [--rounds 1] [--documents 660] [--cores 0.5]

`share` is the CPU time the workers got of what they could have had: others compete for the cores. With
`--cores` every worker gets so much of its core and no more, by the kernel's CPU controller: on a machine
whose cores the services of the deployment need as well, the second worker then adds as much as the first.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from tests.integration.celery_run import (
    Deployment,
    deployed,
    embed_seconds,
    knows,
    say,
    until,
)
from tests.integration.cpu_quota import join, quota
from tests.s3.stores import Store
from tools.airflow_api import AirflowApi

TASKS = 16
WORDS = 5_000
"""Of a document; 250 make a chunk."""
BAR = 1.7
CHARGE = """
        import hashlib
        for each in texts:
            hashlib.pbkdf2_hmac("sha256", each.encode(), b"work", 40_000)
"""
SETTINGS = {
    "RAG_CHUNK_TOKENS": "250",
    "RAG_MAX_MAPPED_TASKS": str(TASKS),
    "RAG_EMBED_BATCH_TEXTS": "512",
}
_SYLLABLES = ("ba", "ko", "mi", "tu", "ze", "fra", "lu", "ny", "po", "vex")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=15220)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--documents", type=int, default=660)
    parser.add_argument("--cores", type=float, default=0)
    options = parser.parse_args()
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with ExitStack() as stack:
        groups = {
            number: stack.enter_context(quota(f"rag-worker{number}", options.cores))
            for number in (range(2) if options.cores else ())
        }
        deployment, airflow, store = stack.enter_context(deployed(options.port, CHARGE, **SETTINGS))
        until(lambda: knows(airflow, "ingest_documents"), 300)
        airflow.patch("/dags/ingest_documents", {"is_paused": False})
        start_worker(deployment, 0, groups)
        for number in range(options.rounds):
            # One after two in every other round, so that a machine that gets busier favours neither.
            for workers in (1, 2) if number % 2 == 0 else (2, 1):
                put_documents(store, f"{number} {workers}", options.documents)
                found = one_round(deployment, airflow, workers, groups)
                found["share"] = round(found["share"] / (options.cores or 1), 2)
                seconds[workers].append(found["seconds"])
                say(json.dumps(found))
    one, two = (statistics.median(seconds[workers]) for workers in (1, 2))
    print(json.dumps({"seconds": seconds, "ratio": round(one / two, 2)}, indent=1))
    return 0 if one / two >= BAR else 1


def start_worker(deployment: Deployment, number: int, groups: Mapping[int, Path]) -> None:
    """A worker on a core of its own, or in a share of it."""
    deployment.worker(number)
    if number in groups:
        join(groups[number], deployment.running[f"worker{number}"].pid)


def one_round(
    deployment: Deployment, airflow: AirflowApi, workers: int, groups: Mapping[int, Path]
) -> dict[str, Any]:
    """One ingestion with that many workers: what its embed stage took, and how busy the machine was."""
    if workers == 2:
        start_worker(deployment, 1, groups)
        time.sleep(20)  # until it has imported everything and listens
    run = airflow.post("/dags/ingest_documents/dagRuns", {"logical_date": None})["dag_run_id"]
    path = f"/dags/ingest_documents/dagRuns/{run}"
    until(lambda: embedding(airflow, path), 300)
    before, began, load = used(deployment), time.monotonic(), [os.getloadavg()[0]]
    until(lambda: not embedding(airflow, path), 900)
    spent, wall = used(deployment) - before, time.monotonic() - began
    load.append(os.getloadavg()[0])
    until(lambda: airflow.get(path)["state"] in ("success", "failed"), 300)
    if airflow.get(path)["state"] != "success":
        raise SystemExit(f"{run} failed.")
    if workers == 2:
        deployment.stop("worker1")
    tasks = airflow.get(f"{path}/taskInstances", limit=100)["task_instances"]
    return {
        "workers": workers,
        "seconds": embed_seconds(airflow, run),
        "embed_tasks": sum(each["task_id"] == "embed" for each in tasks),
        "share": round(spent / wall / workers, 2),
        "load": [round(each, 1) for each in load],
    }


def embedding(airflow: AirflowApi, path: str) -> bool:
    """Whether embed tasks have begun and not all have ended."""
    found = airflow.get(f"{path}/taskInstances", limit=100)["task_instances"]
    states = [each["state"] for each in found if each["task_id"] == "embed" and each["start_date"]]
    mapped = [each for each in found if each["task_id"] == "embed"]
    return bool(states) and not all(each["end_date"] for each in mapped)


def used(deployment: Deployment) -> float:
    """CPU seconds of all workers so far, their tasks included."""
    workers = [each for name, each in deployment.running.items() if name.startswith("worker")]
    family = [psutil.Process(each.pid) for each in workers]
    family += [child for each in list(family) for child in each.children(recursive=True)]
    return sum(sum(each.cpu_times()[:4]) for each in family if each.is_running())


def put_documents(store: Store, edition: str, count: int) -> None:
    """Overwrites every document with words that no other edition has."""
    client = store.access().client

    def put(number: int) -> None:
        chance = random.Random(f"{edition} {number}")
        words = ["".join(chance.choices(_SYLLABLES, k=4)) for _ in range(WORDS)]
        lines = [" ".join(words[at : at + 50]) + "." for at in range(0, WORDS, 50)]
        body = "\n\n".join(lines).encode()
        client.put_object(Bucket="rag", Key=f"source/document-{number:04d}.txt", Body=body)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(count)))


if __name__ == "__main__":
    sys.exit(main())
