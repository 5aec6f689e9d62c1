"""`make demo`: Airflow ingests real documents, then a question is answered with its sources.

    python -m tools.demo [--port N]

The documents are the descriptions of the Python packages installed in `.venv`. Everything is under
`.demo` and `.airflow`; running it again carries on, and embeds only what changed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, NoReturn

from tools import export_readmes
from tools.airflow_home import REPOSITORY, AirflowHome
from tools.airflow_start import environment_for, start, sweep
from tools.console import RefusalError, duration, run_program, say
from tools.following import Follower, Run
from tools.local_airflow import DEFAULT_PORT, api_of, describe, port_number

QUESTION = "Which library retries failing calls with exponential backoff?"
SYNC, INGEST = "sync_source", "ingest_documents"


def main(arguments: Sequence[str]) -> int:
    """Tells the story; whatever it started is stopped when it does not reach the end."""
    parser = argparse.ArgumentParser(
        prog="demo", description="Ingests real documents, asks a question."
    )
    parser.add_argument("--port", default=os.environ.get("AIRFLOW_PORT") or str(DEFAULT_PORT))
    port = port_number(parser.parse_args(arguments).port)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_interrupt)
    home, began = AirflowHome(), time.monotonic()

    say("1. Documents: the descriptions of the Python packages installed here")
    export_readmes.main()
    say("2. Airflow")
    running, started_now = start(home, port=port, demo=True)
    say(f"{'Started' if started_now else 'Already running'}: {running.url}")
    try:
        tell(home, Follower(api_of(home, running), home.logs))
    except KeyboardInterrupt:
        if started_now:
            say("\nStopping Airflow …")
            sweep(home)
        raise
    except RefusalError as refusal:
        raise RefusalError(f"{refusal}\nAirflow goes on running at {running.url}; `make down` stops it.") from refusal  # fmt: skip
    say(f"\nDone in {duration(time.monotonic() - began)}. Airflow goes on running:\n")
    say(describe(home, running))
    say("again     make demo (embeds only what changed)")
    return 0


def tell(home: AirflowHome, follower: Follower) -> None:
    """Ingestion through Airflow, then the answer."""
    say("3. Ingestion")
    follower.wait_for_dags(SYNC, INGEST)
    receipts = [receipt for run in ingest(follower) for receipt in receipts_of(follower, run)]
    environment = environment_for(home, demo=True)
    counts = json.loads(_include(environment, "status", "--json"))
    say(ingested(receipts, counts))
    say(f"4. Question: {QUESTION}\n")
    say(_include(environment, "ask", QUESTION).rstrip())


def ingest(follower: Follower) -> list[Run]:
    """Follows runs until source and index agree; returns the ingestions followed.

    Runs that an earlier demo or the schedule left or started are finished first; a run is
    triggered only if none of `sync_source` was there to follow.
    """
    ingested: list[Run] = []
    follower.wait_for_due_run(SYNC)
    if not drain(follower, ingested):
        run = follower.trigger(SYNC)
        say(f"  triggered {SYNC}")
        follower.follow(run)
        ingested += _follow_woken(follower, run)
        drain(follower, ingested)
    return ingested


def drain(follower: Follower, ingested: list[Run]) -> bool:
    """Follows everything that is active; says whether a `sync_source` was among it."""
    synced = False
    while True:
        if runs := follower.active(SYNC):
            say(f"  {SYNC} is under way by its schedule")
            follower.follow(runs[0])
            ingested += _follow_woken(follower, runs[0])
            synced = True
        elif runs := follower.active(INGEST):
            follower.follow(runs[0])
            ingested.append(runs[0])
        else:
            return synced


def receipts_of(follower: Follower, run: Run) -> list[Mapping[str, Any]]:
    """What the run published, from the event it emitted."""
    return [event["extra"] or {} for event in follower.events_of(run)]


def ingested(receipts: Sequence[Mapping[str, Any]], counts: Mapping[str, Any]) -> str:
    """One sentence on what was done and one on what there is."""
    embedded = sum(int(receipt.get("embedded", 0)) for receipt in receipts)
    reused = sum(int(receipt.get("reused", 0)) for receipt in receipts)
    done = f"{embedded} texts embedded, {reused} reused from the cache."
    if not receipts:
        done = "Nothing changed since the last run: 0 texts embedded."
    return (
        f"{done}\nThe index holds {counts['documents']} documents in {counts['chunks']} chunks; "
        f"{counts['quarantined']} documents were set aside."
    )


def _follow_woken(follower: Follower, run: Run) -> list[Run]:
    woken = follower.runs_woken_by(run, dag=INGEST)
    for each in woken:
        follower.follow(each)
    return woken


def _include(environment: Mapping[str, str], *arguments: str) -> str:
    """The output of `python -m include …` on the demo's lake."""
    done = subprocess.run(
        [sys.executable, "-m", "include", *arguments],
        cwd=REPOSITORY,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RefusalError(f"`python -m include {arguments[0]}` failed: {last}")
    return done.stdout


def _as_interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise KeyboardInterrupt


if __name__ == "__main__":
    run_program(lambda: main(sys.argv[1:]), resume="make demo")
