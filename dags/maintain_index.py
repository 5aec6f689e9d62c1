"""Keeps the lake small and fast: compacts tables, refreshes indexes, prunes what is not needed.

**What it does.** Merges small files of every table, brings the full-text and vector indexes up to
date with rows added since, removes table versions older than a week, and deletes artifacts of runs
that ended more than a week ago. Texts of documents that are gone are deleted, vectors only where
`RAG_CACHE_KEEP_DAYS` says so. It embeds nothing and changes no answer.

**When it runs.** Sundays at 04:00 UTC, and on demand. Safe at any time, also while documents are
being ingested: readers keep the version they opened.

**When it fails.** Search still works, only slower and on a larger lake. Clear the task; if the disk
is full, make room first.

**Who cares.** Whoever pays for the storage.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from include.orchestration import steps
from include.orchestration.defaults import COMMIT, SHARED, START
from include.orchestration.params import KEEP_DAYS


@dag(
    schedule="0 4 * * 0",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["maintenance", "index"],
    doc_md=__doc__,
    default_args=SHARED,
    params={"keep_days": KEEP_DAYS},
)
def maintain_index() -> None:
    @task(**COMMIT)
    def compact(params: dict[str, int]) -> dict[str, object]:
        """Compacts every table, refreshes its indexes and prunes old versions."""
        return steps.compact_tables(keep_days=params["keep_days"])

    @task(**COMMIT)
    def prune(params: dict[str, int]) -> dict[str, object]:
        """Deletes the artifacts of runs that ended before the retention."""
        return steps.prune_runs(keep_days=params["keep_days"])

    @task(**COMMIT)
    def forget(params: dict[str, int]) -> dict[str, object]:
        """Deletes texts of no document, and vectors that have been unused for long enough."""
        return steps.forget_unused(keep_days=params["keep_days"])

    # Artifacts are a run's claim on texts and vectors; what is forgotten is then compacted away.
    prune() >> forget() >> compact()


maintain_index()
