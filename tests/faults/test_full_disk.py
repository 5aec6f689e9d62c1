"""A disk that is full half-way: one clear sentence, nothing lost, and on it goes once there is room."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import roles
from tests.faults.lakes import BATCH_TEXTS, Scene


@contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A disk of that size at the folder; skips the test where nobody may mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def used_kilobytes(folder: Path) -> int:
    return sum(4 + path.stat().st_size // 1024 for path in folder.rglob("*"))


@pytest.mark.parametrize("room", [0, 220])
def test_a_full_disk_is_named_in_one_sentence_and_loses_nothing(small: Scene, room: int):
    assert "The disk is full" in _filled(small, room)


@pytest.mark.faults
def test_wherever_the_disk_becomes_full_nothing_is_lost(small: Scene):
    """Ever more room, in steps of 30 kB, until a whole run fits."""
    sentences = [_filled(small, room) for room in range(15, 900, 30)]
    assert sentences[-1] == ""
    places = {part for each in sentences for part in each.split("'")[1:2]}
    print(f"{sum(map(bool, sentences))} runs met a full disk, in {len(places)} places:", *places)


def _filled(scene: Scene, room: int) -> str:
    """What a sync says with so many kilobytes of room; "" when they are enough.

    Afterwards there is room again, and the promises are checked.
    """
    before = scene.lake("before")
    mounted = scene.lake(f"disk-{room}")
    lake = mounted / "lake"
    with disk(mounted, used_kilobytes(before) + room):
        shutil.copytree(before, lake)
        with scene.watched(lake) as report:
            status = scene.run(roles.sync, lake)
            *_, sentence = ["", *scene.output(lake).strip().splitlines()]
            if status:
                assert "Traceback" not in scene.output(lake)
                assert sentence.startswith("LakeError: ")
                assert "ree space" in sentence or "ree some space" in sentence
            subprocess.run(["mount", "-o", "remount,size=200m", str(mounted)], check=True)
            assert scene.run(roles.sync, lake) == 0, scene.output(lake)
        assert report["wrong"] == []
        assert scene.differences(lake) == []
        assert scene.overpaid(lake) <= BATCH_TEXTS
    return sentence if status else ""
