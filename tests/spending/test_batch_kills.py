"""A batch is submitted once, whoever dies at whatever moment, and whoever else is at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from include.batch_api.provider import Provider
from include.commands.ingest import sync
from include.commands.reembed import plan, reembed
from include.errors import ConfigurationError
from include.indexes import of_values
from include.settings import REPOSITORY
from include.spending.caller import Caller
from tests.spending.batching import (
    POLL,
    PRICE,
    Killed,
    Run,
    doomed,
    entries,
    left_of,
    require_paid_once,
    submitted,
    texts,
)

BUDGETS = {"AIRFLOW_VAR_RAG_BUDGETS": '{"daily_usd": 1, "run_usd": 1}'}
HOUR = timedelta(hours=1)
TARGET = "openai:stand-in-embed@32"


def created(platform) -> int:
    """How many batches the provider ever had."""
    listed = platform.remote.ask(lambda client, _: list(client.batches.list()))
    return len(listed or ())


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_write_is_made_good_by_another_process(connected, api, tmp_path, moment):
    for number in range(1, 40):
        lake = {"RAG_LAKE_URI": (tmp_path / f"lake-{number}").as_uri()}
        meter = tmp_path / f"meter-{number}.jsonl"
        api.control(begin=str(meter))
        first = connected(POLL, **BUDGETS, **lake)
        first.caller = Caller(run="one")
        try:
            doomed(Run(first, "one", texts(9)), number, moment).embed()
        except Killed:
            pass
        else:
            break
        other = connected(POLL, **BUDGETS, **lake)
        other.caller = Caller(run="two")
        run = Run(other, "two" if number % 2 else "one", texts(9), later=HOUR)
        assert (run.embed().left, run.cached()) == (0, 9), number
        assert created(other) == 1, number
        require_paid_once(replace(api, meter=meter), other)
        for scope in ("day", "run"):
            counted = left_of(other, scope)
            assert (counted["spent"], counted["reserved"]) == (45 * PRICE / 2, {}), number
    assert number > 8


def test_a_batch_whose_creation_was_not_heard_of_is_found_and_not_created_again(connected, api):
    api.control(create_faults=["cut"])
    run = Run(connected(POLL), "one", texts(9))
    assert (run.embed().left, created(run.platform)) == (0, 1)
    require_paid_once(api, run.platform)


def test_a_refusal_leaves_nothing_set_aside_and_the_next_try_submits(connected, api):
    api.control(create_faults=["400"])
    platform = connected(POLL, **BUDGETS)
    run = Run(platform, "one", texts(9))
    with pytest.raises(Exception, match="status 400"):
        run.embed()
    (refused,) = entries(platform)
    assert (refused.status, refused.cost_usd) == ("refused", 0)
    assert (run.embed().left, created(platform)) == (0, 1)
    require_paid_once(api, platform)


def test_what_may_exist_is_submitted_again_only_after_it_was_looked_for_long_enough(connected, api):
    api.control(create_faults=["500"])
    platform = connected(POLL)
    run = Run(platform, "one", texts(9))
    for _ in range(3):
        assert (run.step().unknown, created(platform)) == (1, 0)
    later = Run(connected(POLL), "one", texts(9), later=HOUR)
    assert (later.embed().left, created(platform)) == (0, 1)
    require_paid_once(api, platform)
    assert sorted(each.status for each in entries(platform)) == ["ok", "refused"]


def test_a_second_batch_of_the_same_name_is_cancelled(connected, api):
    """As by a process that was stopped between its decision and its request, for too long."""
    api.control(batch_seconds=3_600)
    platform = connected(POLL)
    run = Run(platform, "one", texts(9))
    run.step()
    (key,) = run.artifacts.find_json("batch-api")
    record = platform.by_batch.work.records.read(key)
    provider = platform.by_batch.work.provider
    ghost = provider.create(record.file_id, key, 1)
    assert provider.find(key, 1, record.since) == record.provider_id
    assert provider.retrieve(ghost).status == "cancelled"
    api.control(batch_seconds=0)
    assert run.embed().left == 0
    require_paid_once(api, platform)


@dataclass(frozen=True, slots=True)
class Stopped(Provider):
    """The provider for a process that is stopped after its last check, before its request."""

    meanwhile: Callable[[], object] = lambda: None

    def create(self, file_id: str, key: str, attempt: int) -> str:
        self.meanwhile()
        return Provider.create(self, file_id, key, attempt)


def test_a_process_that_was_stopped_before_its_request_creates_no_second_batch(connected, api):
    platform = connected(POLL, **BUDGETS)
    run = Run(platform, "one", texts(9))
    other = Run(connected(POLL, **BUDGETS), "two", texts(9), later=HOUR)
    work = run.by_batch.work
    stopped = Stopped(work.provider.remote, other.embed)
    submitter = replace(work.submitter, provider=stopped)
    run.by_batch = replace(run.by_batch, work=replace(work, submitter=submitter))
    assert (run.embed().left, run.cached(), created(platform)) == (0, 9, 1)
    require_paid_once(api, platform)
    assert left_of(platform, "day")["reserved"] == {}


def test_a_batch_at_another_endpoint_is_not_taken_for_lost(connected, api):
    api.control(batch_seconds=3_600)
    Run(connected(POLL), "one", texts(9)).step()
    moved = connected(POLL | {"base_url": f"http://localhost:{api.port}/v1"})
    with pytest.raises(ConfigurationError, match="Set it back"):
        Run(moved, "two", texts(9)).step()
    api.control(batch_seconds=0)
    run = Run(connected(POLL), "three", texts(9))
    assert run.embed().left == 0
    require_paid_once(api, run.platform)


def test_runs_at_the_same_time_send_no_text_twice(connected, api):
    """Three runs that share texts, on platforms of their own, as three machines have them."""
    api.control(batch_seconds=0.4)
    runs = [
        Run(connected(POLL, **BUDGETS), name, texts(30, 10 * at)) for at, name in enumerate("abc")
    ]
    left: list[int] = []
    workers = [
        threading.Thread(target=lambda run=run: left.append(run.embed().left)) for run in runs
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert left == [0, 0, 0]
    require_paid_once(api, runs[0].platform)
    assert created(runs[0].platform) <= 3


def test_two_processes_that_collect_the_same_batch_settle_it_once(connected, api):
    api.control(batch_seconds=0.3)
    platform = connected(POLL, **BUDGETS)
    Run(platform, "one", texts(200)).step()
    runs = [Run(connected(POLL, **BUDGETS), name, texts(200)) for name in "abcd"]
    workers = [threading.Thread(target=run.embed) for run in runs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    require_paid_once(api, platform)
    assert created(platform) == 1
    counted = left_of(platform, "day")
    assert (counted["spent"], counted["reserved"]) == (1_000 * PRICE / 2, {})


def test_a_command_killed_while_it_waits_is_gone_on_with_by_the_next(
    connected, api, environment, inbox: Path
):
    for name in ("one", "two"):
        (inbox / f"{name}.txt").write_text("\n\n".join(f"{name} part {n}." for n in range(20)))
    fake = {"RAG_EMBEDDER": "fake:32"}
    sync(connected(POLL, **fake))
    api.control(batch_seconds=3_600)
    settings = os.environ | environment | api.environment(**POLL)
    child = subprocess.Popen(
        [sys.executable, "-m", "include", "reembed", "--batch-api", "--target", f"RAG_EMBEDDER={TARGET}"],
        cwd=REPOSITORY, env=settings, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    target = of_values(connected(POLL, **fake), {"RAG_EMBEDDER": TARGET})
    deadline = time.monotonic() + 120
    while not any(each.state == "sent" for each in target.by_batch.work.records.unfinished()):
        if child.poll() is not None or time.monotonic() > deadline:
            pytest.fail(child.communicate()[1])
        time.sleep(0.1)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    planned = plan(target)
    assert planned["chunks_to_embed"] > 0
    assert float(planned["estimated_batch_cost_usd"]) * 2 == float(planned["estimated_cost_usd"])
    api.control(batch_seconds=0)
    done = reembed(target, batch_api=True)
    assert (done["missing"], done["state"]) == (0, "candidate")
    assert len(submitted(api)) == created(target) == 1
    require_paid_once(api, target)


def test_a_local_target_is_told_that_it_has_no_batches(connected, inbox: Path):
    (inbox / "one.txt").write_text("Some words.")
    sync(connected(POLL, RAG_EMBEDDER="fake:32"))
    target = of_values(connected(POLL, RAG_EMBEDDER="fake:32"), {"RAG_EMBEDDER": "fake:48"})
    assert plan(target)["estimated_batch_cost_usd"] is None
    with pytest.raises(ConfigurationError, match="has none"):
        reembed(target, batch_api=True)
