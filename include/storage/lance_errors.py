"""What lancedb raises, as the platform's errors.

lancedb raises RuntimeError, ValueError and OSError without classes of its own, so the text has
to decide, here and nowhere else. Each of these texts was provoked with lancedb 0.40.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from include.errors import CommitConflictError, LakeError, PlatformError, TransientError
from include.storage.s3_errors import BUSY, refusal

_CONFLICTS = ("conflict", "incompatible transaction", "concurrent writers", "timed out")
_UNREACHED = ("httperror", "error sending request", "connecterror", "status: 50")
_S3_CODE = re.compile(r"<Code>(\w+)</Code>")
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


def _meaning(error: Exception, subject: str) -> PlatformError:
    # After the message comes the place in lance's source, which says nothing to a user.
    text = str(error).partition(", /")[0].partition("\n")[0]
    if any(sign in text.lower() for sign in _FULL):
        return LakeError(f"The disk is full: {subject!r} could not be written. Free some space.")
    if "S3" in text and (place := _of_the_bucket(str(error), subject)):
        return place
    if any(sign in text.lower() for sign in _CONFLICTS):
        return CommitConflictError(f"Another writer changed {subject!r} at the same time: {text}")
    return LakeError(f"LanceDB cannot use {subject!r}: {text}")


def _of_the_bucket(text: str, subject: str) -> PlatformError | None:
    """What the store said, or that it said nothing; None when it is not about the store."""
    found = _S3_CODE.search(text)
    unreached = any(sign in text.lower() for sign in _UNREACHED)
    if "BareRedirect" in text:  # Amazon's way to say so, of which only this is left
        return refusal("PermanentRedirect", f"{subject!r} was refused with a redirect")
    if (found and found[1] in BUSY) or (unreached and not found):
        return TransientError(
            f"The store of {subject!r} did not answer after several attempts: it is busy or cannot "
            f"be reached; try again later."
        )
    return refusal(found[1], f"{subject!r} was refused with {found[1]}") if found else None
