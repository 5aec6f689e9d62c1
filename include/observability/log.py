"""Structured stage events: `stage=prepare documents=12 chunks=80 seconds=0.42`."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGER = logging.getLogger("rag")


@contextmanager
def stage(name: str, **fields: object) -> Iterator[dict[str, object]]:
    """Logs one event when the stage ends: its name, the counts put into the mapping, the seconds.

    A stage that raises is logged as failed with the error's type; the error goes on.
    """
    event: dict[str, object] = dict(fields)
    began = time.monotonic()
    try:
        yield event
    except BaseException as error:
        event |= {"failed": type(error).__name__}
        raise
    finally:
        event["seconds"] = round(time.monotonic() - began, 3)
        report(name, **event)


def report(name: str, **fields: object) -> None:
    """Logs one event at once."""
    level = logging.ERROR if "failed" in fields else logging.INFO
    _LOGGER.log(
        level, " ".join([f"stage={name}", *(f"{k}={_plain(v)}" for k, v in fields.items())])
    )


def tell(sentence: str) -> None:
    """Logs one sentence for whoever reads the log."""
    _LOGGER.info(sentence)


def warn(sentence: str) -> None:
    """Logs one sentence that an operator should read."""
    _LOGGER.warning(sentence)


def log_to_stderr(*, verbose: bool) -> None:
    """Sends the platform's events to stderr: all of them, or only warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _LOGGER.handlers[:] = [handler]
    _LOGGER.setLevel(logging.INFO if verbose else logging.WARNING)
    _LOGGER.propagate = False


def _plain(value: object) -> str:
    text = str(value)
    return repr(text) if any(character.isspace() for character in text) else text
