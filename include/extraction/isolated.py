"""Extraction in a child process that a runaway parser cannot outlive.

The child is started at the first file and serves all that follow; one that takes too long, too
much memory or dies is replaced, and the file that did it is set aside with the reason.
"""

from __future__ import annotations

import os
import pickle
import select
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, cast

from include.errors import DocumentError
from include.extraction.extract import Extracted, Rules
from include.extraction.wire import NO_MEMORY, send, unpack

_ROOT = Path(__file__).resolve().parents[2]
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take: wall-clock seconds and bytes of memory."""

    seconds: float
    memory_bytes: int


class IsolatedExtractor:
    """Calls `extract` in a child process. Use it as a context manager; not for several threads."""

    def __init__(self, rules: Rules, limits: Limits) -> None:
        self._rules = rules
        self._limits = limits
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False

    def extract(self, source: str, name: str, raw: bytes) -> list[Extracted]:
        """Every document of the file.

        Raises DocumentError `parse_timeout`, `parse_memory` or `parse_crashed`; the next file is
        served by a new child then.
        """
        child = self._child or self._started()
        try:
            send(cast(BinaryIO, child.stdin), pickle.dumps((source, name, raw), protocol=5))
            return unpack(self._answer(child))
        except (BrokenPipeError, EOFError) as error:
            raise self._death(name) from error
        except TimeoutError as error:
            self._end()
            raise DocumentError(
                "parse_timeout",
                f"{name!r} was not read within {self._limits.seconds:g} s (RAG_PARSE_SECONDS).",
            ) from error

    def close(self) -> None:
        """Ends the child; further files are refused."""
        self._closed = True
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise DocumentError("parse_crashed", "the run is ending.")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "include.extraction.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            # Fewer threads and arenas: what is mapped counts against the memory limit.
            env={**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1",
                 "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"},
        )  # fmt: skip
        first = (self._rules, self._limits.memory_bytes, self._limits.seconds)
        send(cast(BinaryIO, self._child.stdin), pickle.dumps(first))
        return self._child

    def _answer(self, child: subprocess.Popen[bytes]) -> bytes:
        """The next message; EOFError when the child died, TimeoutError when it takes too long."""
        deadline = time.monotonic() + self._limits.seconds
        pipe = cast(BinaryIO, child.stdout).fileno()
        buffer = bytearray()
        while len(buffer) < 8 or len(buffer) < 8 + int.from_bytes(buffer[:8], "big"):
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError
            part = os.read(pipe, _READ_BYTES)
            if not part:
                raise EOFError
            buffer += part
        return bytes(buffer[8:])

    def _death(self, name: str) -> DocumentError:
        code = self._end(grace_seconds=2.0)
        if code == NO_MEMORY:
            limit = self._limits.memory_bytes // 1024**2
            sentence = f"{name!r} needs more than {limit} MB (RAG_PARSE_MEMORY_MB)."
            return DocumentError("parse_memory", sentence)
        sentence = f"{name!r} ended the process that read it (exit status {code})."
        return DocumentError("parse_crashed", sentence)

    def _end(self, grace_seconds: float = 0.0) -> int | None:
        """Ends the child, which may end by itself within the grace; its exit status."""
        child, self._child = self._child, None
        if child is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            child.wait(grace_seconds)
        child.kill()
        with suppress(BrokenPipeError):
            child.communicate()
        return child.returncode
