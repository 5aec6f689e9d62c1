"""Leases on a real folder, between threads and between processes, with owners that die."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from include.settings import REPOSITORY
from include.storage.lease import Lease
from include.storage.objects import LocalObjects

HOLDER = """
import sys, time; from pathlib import Path
from include.storage.lease import Lease; from include.storage.objects import LocalObjects
with Lease(LocalObjects(Path(sys.argv[1])), "work", "the other", silence_seconds=60).held():
    print("held", flush=True); time.sleep(60)
"""


def lease(root: Path, owner: str = "me", seconds: float = 60.0) -> Lease:
    return Lease(LocalObjects(root), "work", owner, silence_seconds=seconds)


def test_only_one_of_ten_holds_it_at_a_time(tmp_path: Path):
    inside, most = [], []

    def work(number: int) -> None:
        with lease(tmp_path, str(number)).held():
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 10


def test_it_is_free_again_after_an_error(tmp_path: Path):
    with pytest.raises(KeyError), lease(tmp_path).held():
        raise KeyError
    with lease(tmp_path).held() as waited:
        assert not waited


def test_an_owner_that_was_killed_is_replaced_at_once(tmp_path: Path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        other.kill()
    began = time.monotonic()
    with lease(tmp_path).held():
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"owner": 3, "members": {"a": "b"}}'])
def test_a_damaged_or_foreign_lease_is_taken_after_the_silence(tmp_path: Path, content: bytes):
    LocalObjects(tmp_path).write("leases/work.json", content)
    with lease(tmp_path, seconds=0.3).held():
        content = json.loads((tmp_path / "leases" / "work.json").read_bytes())
        assert content["owner"] == "me"


def test_an_owner_that_renews_is_not_replaced_however_long_it_takes(tmp_path: Path):
    order = []

    def wait() -> None:
        with lease(tmp_path, "second", seconds=0.6).held() as waited:
            order.append(("second", waited))

    with lease(tmp_path, "first", seconds=0.6).held():
        (second := threading.Thread(target=wait)).start()
        time.sleep(1.5)
        order.append(("first", False))
    second.join()
    assert order == [("first", False), ("second", True)]


def test_tasks_of_one_run_hold_it_together_and_another_run_waits_for_the_last(tmp_path: Path):
    order, both = [], threading.Barrier(2)

    def task(name: str, seconds: float) -> None:
        with lease(tmp_path, "run", seconds=0.6).held() as waited:
            both.wait(5)  # only passes when both are inside
            time.sleep(seconds)
            order.append((name, waited))

    tasks = [threading.Thread(target=task, args=each) for each in (("short", 0.2), ("long", 1.5))]
    for each in tasks:
        each.start()
    time.sleep(0.1)
    with lease(tmp_path, "other", seconds=0.6).held() as waited:
        order.append(("other", waited))
    for each in tasks:
        each.join()
    assert order == [("short", False), ("long", False), ("other", True)]


def test_a_task_that_was_killed_does_not_keep_its_run_in_the_lease(tmp_path: Path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with lease(tmp_path, "the other").held():
            other.kill()
            other.wait()
    began = time.monotonic()
    with lease(tmp_path, "me").held() as waited:
        assert not waited
    assert time.monotonic() - began < 5


def test_fifty_members_at_once_all_get_in_and_leave_it_free(tmp_path: Path):
    inside = []

    def task() -> None:
        with lease(tmp_path, "run", seconds=2).held():
            time.sleep(1.5)  # long enough for everyone to renew twice
            inside.append(1)

    tasks = [threading.Thread(target=task) for _ in range(50)]
    for each in tasks:
        each.start()
    for each in tasks:
        each.join()
    content = json.loads((tmp_path / "leases" / "work.json").read_bytes())
    assert (len(inside), content["members"]) == (50, {})
