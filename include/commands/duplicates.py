"""`duplicates`: documents that say nearly the same."""

from __future__ import annotations

from typing import Any

from include.duplicates import NEAR
from include.errors import ConfigurationError
from include.stages.signatures import near_documents, sign_missing
from include.wiring import Platform

Json = dict[str, Any]
LOWEST = 0.5


def duplicates(platform: Platform, threshold: float | None = None) -> Json:
    """Groups of documents alike by `threshold` or more, the largest group first.

    Signs the texts of a lake that is older than signatures. Raises ConfigurationError for a
    threshold below 0.5, where chance decides, or above 1.
    """
    threshold = NEAR if threshold is None else threshold
    if not LOWEST <= threshold <= 1:
        raise ConfigurationError(f"--threshold should be from {LOWEST} to 1, is {threshold}.")
    sign_missing(platform.tables)
    groups = near_documents(platform.tables, threshold)
    return {
        "threshold": threshold,
        "groups": [
            {
                "likeness": group.likeness,
                "documents": [{"id": name, "uri": uri} for name, uri in group.documents],
            }
            for group in groups
        ],
    }
