"""What a child process does: sync, maintain, write the cache. Each ends like the real command."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from include.deployment import EnvironmentDeployment
from include.errors import PlatformError
from include.settings import Settings
from include.wiring import Platform
from tests.faults import places
from tests.faults.paying import PayingEmbedder


@dataclass(frozen=True, slots=True)
class Child:
    """A process on a lake: its settings, where it writes, and what is to happen to it.

    `kill` is a place, a moment and a number of the call, see `places.kill_at`; `failure` and
    `fail_at` are those of the embedder; `request_seconds` is how long one of its calls takes.
    """

    environment: Mapping[str, str]
    register: Path
    output: Path
    kill: tuple[str, str | float, int] | None = None
    failure: str = ""
    fail_at: int = 0
    request_seconds: float = 0.0
    times: Path | None = None
    file_bytes: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def begin(self) -> Platform:
        """The platform, with everything in place that is to go wrong."""
        _redirect(self.output)
        if self.kill:
            places.kill_at(*self.kill)
        if self.times:
            file = self.times.open("w", buffering=1)
            places.time_all(lambda place, seconds: print(place, seconds, sep="\t", file=file))
        if self.file_bytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_bytes, self.file_bytes))
        return paying_platform(self)


def paying_platform(child: Child) -> Platform:
    """A platform whose embedder writes down what it is paid for."""
    deployment = EnvironmentDeployment(child.environment)
    platform = Platform(Settings.from_environment(child.environment), deployment)
    meter = PayingEmbedder(
        platform.embedder.identity, child.register, seconds=child.request_seconds
    )
    meter.fail_at, meter.failure = child.fail_at, child.failure
    platform.__dict__["embedder"] = meter  # the slot of the cached property
    return platform


def sync(child: Child) -> None:
    """`python -m include sync`, with the exit status of that command."""
    from include.commands.ingest import Switches
    from include.commands.ingest import sync as real_sync

    platform = child.begin()
    _exit_as_command(lambda: real_sync(platform, Switches(**child.extra))[1])


def reembed(child: Child) -> None:
    """`python -m include reembed` for the `days` given, into the index of the settings `target`."""
    from include.commands.reembed import reembed as real_reembed
    from include.indexes import of_values
    from include.stages.coverage import days

    other = of_values(child.begin(), child.extra["target"])
    meter = PayingEmbedder(other.embedder.identity, child.register, seconds=child.request_seconds)
    other.__dict__["embedder"] = meter
    first, last = child.extra["days"]
    _exit_as_command(lambda: 0 if real_reembed(other, days(first, last)) else 1)


def maintain(child: Child) -> None:
    """What the task of `maintain_index` does, keeping no old version, `rounds` times."""
    from include.stages.maintain import compact

    platform = child.begin()

    def rounds() -> int:
        for _ in range(child.extra.get("rounds", 1)):
            compact(platform.upkeep, older_than=timedelta(0))
        return 0

    _exit_as_command(rounds)


def write_cache(child: Child) -> None:
    """Writes `texts` to the cache in batches of ten, as a mapped embed task does."""
    platform = child.begin()
    texts: list[str] = child.extra["texts"]

    def batches() -> int:
        for at in range(0, len(texts), 10):
            platform.cached_embedder().embed_documents(texts[at : at + 10])
        return 0

    _exit_as_command(batches)


def _exit_as_command(work: Any) -> None:
    try:
        status = work()
    except PlatformError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        status = 1
    sys.stderr.flush()
    os._exit(status)


def _redirect(output: Path) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
