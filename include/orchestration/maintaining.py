"""The bodies of the tasks that keep the lake small and whole."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from include.errors import PermanentError
from include.orchestration.connecting import Json, artifacts_of, connected


def compact_tables(*, keep_days: int) -> Json:
    """Compacts every table, refreshes its indexes and prunes versions older than that."""
    from include.stages.maintain import compact

    return asdict(compact(connected().upkeep, older_than=timedelta(days=keep_days)))


def drop_retired(*, keep_days: int) -> Json:
    """Drops indexes that were retired before the retention."""
    from include.stages.retire import drop_retired

    platform, before = connected(), datetime.now(UTC) - timedelta(days=keep_days)
    return asdict(drop_retired(platform.registry, platform.store, before=before))


def prune_runs(*, keep_days: int) -> Json:
    """Deletes artifacts of runs that ended before the retention."""
    from include.stages.maintain import prune

    now = datetime.now(UTC)
    return asdict(prune(connected().lake, before=now - timedelta(days=keep_days)))


def verify_lake(event: Any, *, repair: bool, keep_days: int) -> Json:
    """Verifies the lake and leaves the report; fails, without retries, on unrepaired problems."""
    from include.verification.run import verify

    platform = connected()
    before = datetime.now(UTC) - timedelta(days=keep_days)
    report = verify(platform.premises(before), repair=repair)
    uri = artifacts_of(platform).write_json("verification", report.to_json())
    event.extra = {**report.checked, "found": dict(report.counts), "report": uri}
    if report.failed:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(report.failed.items()))
        raise PermanentError(
            f"The lake does not agree with itself: {counts}. {uri} names them. Trigger "
            f"maintain_index with 'Repair' (or run `python -m include verify --repair`), then "
            f"sync_source."
        )
    return {"found": dict(report.counts), "report": uri, "sync_needed": report.sync_needed}


def forget_unused(*, keep_days: int) -> Json:
    """Deletes texts of no document, queries beyond their days, and unused vectors that may go."""
    from include.golden.kept import forget_undecided
    from include.stages.forget import forget
    from include.stages.queries import forget_queries

    platform, today = connected(), datetime.now(UTC).date()
    kept = timedelta(days=platform.settings.query_log.keep_days)
    queries = forget_queries(
        platform.lake, platform.database, platform.query_log, before=today - kept
    )
    days = platform.settings.retention.cache_keep_days
    before = datetime.now(UTC) - timedelta(days=max(days, keep_days)) if days else None
    forgotten = asdict(forget(platform.lake, platform.database, vectors_before=before))
    candidates = forget_undecided(platform.tables)
    return {**forgotten, "queries": asdict(queries), "golden_candidates": candidates}
