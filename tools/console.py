"""How the programs of this folder talk to a person: plain lines, and one sentence on failure."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from typing import TextIO


class RefusalError(Exception):
    """Something a person has to change first; the message is one sentence with the remedy."""


def say(text: str) -> None:
    """Prints a line at once, also into a pipe."""
    print(text, flush=True)


class StatusLine:
    """One line that is overwritten on a terminal, and nothing at all elsewhere."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._shown = False
        self.live = stream.isatty()

    def show(self, text: str, width: int = 78) -> None:
        """Replaces the line; text beyond `width` columns is cut."""
        if self.live:
            self._stream.write("\r\033[K" + text[:width])
            self._stream.flush()
            self._shown = True

    def clear(self) -> None:
        """Removes the line, so that an ordinary one can be printed."""
        if self._shown:
            self._stream.write("\r\033[K")
            self._stream.flush()
            self._shown = False


def run_program(main: Callable[[], int], *, resume: str) -> None:
    """Runs `main` and exits: its status, 1 after a RefusalError, 130 after Ctrl-C.

    `resume` says what to type to carry on after an interruption.
    """
    try:
        status = main()
    except RefusalError as refusal:
        print(refusal, file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print(f"\nInterrupted. To carry on: {resume}", file=sys.stderr)
        status = 130
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(
            f"The disk is full ({error.filename or 'no file named'}): make room, then {resume}",
            file=sys.stderr,
        )
        status = 1
    sys.exit(status)


def duration(seconds: float) -> str:
    """`7 s`, `1 min 05 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
