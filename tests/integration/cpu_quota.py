"""Gives a process, and all that it starts, so much of a core and no more: the kernel's CPU controller.

Needs root, and cgroups of version 1 or 2 that can be written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PERIOD = 100_000
_ROOT = Path("/sys/fs/cgroup")


@contextmanager
def quota(name: str, cores: float) -> Iterator[Path]:
    """A group that may use so many cores; processes join by `join`. It is removed when empty."""
    second = (_ROOT / "cgroup.controllers").exists()
    group = (_ROOT if second else _ROOT / "cpu") / name
    group.mkdir(exist_ok=True)
    limit = int(cores * _PERIOD)
    if second:
        (group / "cpu.max").write_text(f"{limit} {_PERIOD}")
    else:
        (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(limit))
    try:
        yield group
    finally:
        group.rmdir()


def join(group: Path, pid: int) -> None:
    """Moves a process into the group; what it starts from now on is in it, too."""
    (group / "cgroup.procs").write_text(str(pid))
