"""`verify`: does everything in the lake agree, and with `--repair`, make it agree."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from include.errors import ConfigurationError
from include.indexes import following
from include.verification.run import verify as check
from include.wiring import Platform, new_run_id

Json = dict[str, Any]


def verify(
    platform: Platform, *, repair: bool, source: bool, keep_days: int = 7
) -> tuple[Json, int]:
    """The report and the exit status: 1 when a problem was found that is not repaired.

    Raises ConfigurationError for a retention of less than a day.
    """
    if keep_days < 1:
        raise ConfigurationError(f"--keep-days should be >= 1, is {keep_days}: runs need a day.")
    began = time.monotonic()
    premises = platform.premises(datetime.now(UTC) - timedelta(days=keep_days))
    listing = following(platform).listing(f"verify-{new_run_id()}") if source else None
    report = check(premises, repair=repair, listing=listing)
    answer = {**report.to_json(), "seconds": round(time.monotonic() - began, 2)}
    return answer, 1 if report.failed else 0
