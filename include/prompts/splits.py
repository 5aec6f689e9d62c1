"""Which of several labels a subject gets: always the same, in the given shares. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from include.documents import digest
from include.prompts.entries import PRODUCTION

_POINTS = 2**64


def assigned(prompt: str, split: Mapping[str, float], subject: str) -> str:
    """The label for a subject (a session, a user, a question), from a hash of its id.

    A subject has one place between 0 and 100, whatever the shares are. `production` takes the
    lower end, the others follow by name: raising the candidate's share moves subjects to it, and
    none back.
    """
    order = sorted(split, key=lambda label: (label != PRODUCTION, label))
    place = int(digest("prompt split", prompt, subject)[:16], 16) / _POINTS * 100
    reached = 0.0
    for label in order:
        reached += split[label]
        if place < reached:
            return label
    # Shares add up to 100 but for rounding.
    return next(label for label in reversed(order) if split[label])
