"""Skipping a task so that whoever opens its log reads why: Airflow folds its own line away."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowSkipException

from include.observability.log import tell


def skipped(reason: str) -> AirflowSkipException:
    """What to raise; the reason stands in the log by itself."""
    tell(reason)
    return AirflowSkipException(reason)
