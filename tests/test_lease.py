"""Leases on a real folder, between threads and between processes, with owners that die."""

from __future__ import annotations

import json
import os
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


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"beat": 1, "pid": "x", "machine": 7}'])
def test_a_damaged_or_foreign_lease_is_taken_after_the_silence(tmp_path: Path, content: bytes):
    LocalObjects(tmp_path).write("leases/work.json", content)
    with lease(tmp_path, seconds=0.3).held():
        assert json.loads((tmp_path / "leases" / "work.json").read_bytes())["pid"] == os.getpid()


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
