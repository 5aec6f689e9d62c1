"""Places in the code at which a process can be killed: before, after, or while they run."""

from __future__ import annotations

import functools
import importlib
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

PLACES = {
    "detect": ("include.commands.ingest", "detect"),
    "prepare": ("include.commands.ingest", "prepare"),
    "check": ("include.commands.ingest", "check"),
    "batch": ("include.commands.ingest", "batch"),
    "embed": ("include.commands.ingest", "embed"),
    "publish": ("include.commands.ingest", "publish"),
    "one request": ("tests.faults.paying", "PayingEmbedder.embed_documents"),
    "cache write": ("include.embedding.cache", "EmbeddingCache.put"),
    "texts": ("include.stages.publish", "_store_texts"),
    "index creation": ("include.vectorstore.lance", "LanceVectorStore.create"),
    "publish commit": ("include.vectorstore.lance", "LanceVectorStore.publish"),
    "index refresh": ("include.vectorstore.lance", "LanceVectorStore.optimize"),
    "mark": ("include.storage.publishing", "PublishMarks.begin"),
    "end of mark": ("include.storage.publishing", "PublishMarks.end"),
    "manifest": ("include.stages.publish", "record"),
    "quarantine": ("include.stages.record", "set_aside"),
    "registry": ("include.storage.registry", "Registry.record_sync"),
    "table upkeep": ("include.storage.keyed", "KeyedTable.optimize"),
}
"""Names for people, and where the function is looked up when it is called."""

Call = Callable[..., Any]


def kill_at(place: str, moment: str | float, nth: int = 1) -> None:
    """SIGKILL for this process at the nth call: "before" it, "after" it, or seconds into it."""
    calls = iter(range(1, 1_000_000))

    def around(function: Call, *arguments: Any, **named: Any) -> Any:
        if next(calls) != nth:
            return function(*arguments, **named)
        if moment == "before":
            die()
        if isinstance(moment, float):
            die_in(moment)
        result = function(*arguments, **named)
        if moment == "after":
            die()
        return result

    _wrap(place, around)


def time_all(report: Callable[[str, float], None]) -> None:
    """Tells how many seconds each call of each place took."""
    for place in PLACES:
        _wrap(place, functools.partial(_timed, place, report))


def die() -> NoReturn:
    """The end, without any tidying up."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def die_in(seconds: float) -> None:
    """The end after so many seconds, wherever this process is then."""

    def wait() -> None:
        time.sleep(seconds)
        die()

    threading.Thread(target=wait, daemon=True).start()


def _timed(
    place: str,
    report: Callable[[str, float], None],
    function: Call,
    *arguments: Any,
    **named: Any,
) -> Any:
    began = time.monotonic()
    result = function(*arguments, **named)
    report(place, time.monotonic() - began)
    return result


def _wrap(place: str, around: Call) -> None:
    module, path = PLACES[place]
    owner: Any = importlib.import_module(module)
    *owners, name = path.split(".")
    for each in owners:
        owner = getattr(owner, each)
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        return around(original, *arguments, **named)

    setattr(owner, name, wrapper)
