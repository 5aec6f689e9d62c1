"""The child process that extracts: limited in memory and CPU time, so that no file harms a run.

Reads pickled requests from standard input and writes pickled answers to standard output; ends
when its input ends. Started by `include.extraction.isolated`.
"""

from __future__ import annotations

import io
import os
import pickle
import resource
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

from include.extraction.extract import extract
from include.extraction.wire import NO_MEMORY, pack, receive, send


def main() -> int:
    """Serves requests `(source, name, raw)` under the rules and limits of the first message."""
    source, target = sys.stdin.buffer, _private_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes the pipe
    rules, memory_bytes, seconds = _load(receive(source) or b"")
    _limit(resource.RLIMIT_AS, _mapped_bytes() + memory_bytes)
    try:
        while (request := receive(source)) is not None:
            _limit_cpu(seconds)
            source_uri, name, raw = _load(request)
            del request
            send(target, pack(extract(source_uri, name, raw, rules)))
    except MemoryError:
        os._exit(NO_MEMORY)  # tidying up could need memory again
    return 0


def _load(message: bytes) -> Any:
    return pickle.loads(message)  # noqa: S301 - the other side is our own process


def _mapped_bytes() -> int:
    """What the interpreter and its libraries have mapped already, used or not."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[0]
    except OSError:  # no Linux
        return 1024**3
    return int(pages) * resource.getpagesize()


def _private_output() -> BinaryIO:
    """Standard output for answers only: whatever a library prints goes to standard error."""
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False))
    return target


def _limit_cpu(seconds: float) -> None:
    """Ends this process, even when its parent is gone, once it has computed that much longer."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + 2 * seconds) + 2)


def _limit(kind: int, value: int) -> None:
    """Sets the soft limit, as far as the system's hard limit lets it."""
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


if __name__ == "__main__":
    sys.exit(main())
