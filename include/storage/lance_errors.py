"""What lancedb raises, as the platform's errors.

lancedb raises RuntimeError, ValueError and OSError without classes of its own, so the text has
to decide, here and nowhere else. Each of these texts was provoked with lancedb 0.40.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from include.errors import CommitConflictError, LakeError, PlatformError

_CONFLICTS = ("conflict", "incompatible transaction", "concurrent writers", "timed out")
_FULL = ("no space left", "quota exceeded", "os error 28", "os error 122")


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Turns what lancedb raises about the table or place named into CommitConflictError or LakeError."""
    try:
        yield
    except PlatformError:
        raise
    except (RuntimeError, ValueError, OSError) as error:
        raise _meaning(error, subject) from error


def is_missing(error: ValueError) -> bool:
    """Whether lancedb could not open the table because there is none."""
    return "was not found" in str(error)


def is_existing(error: ValueError) -> bool:
    """Whether lancedb could not create the table because there is one."""
    return "already exists" in str(error)


def _meaning(error: Exception, subject: str) -> PlatformError:
    # After the message comes the place in lance's source, which says nothing to a user.
    text = str(error).partition(", /")[0].partition("\n")[0]
    if any(sign in text.lower() for sign in _FULL):
        return LakeError(f"The disk is full: {subject!r} could not be written. Free some space.")
    if any(sign in text.lower() for sign in _CONFLICTS):
        return CommitConflictError(f"Another writer changed {subject!r} at the same time: {text}")
    return LakeError(f"LanceDB cannot use {subject!r}: {text}")
