"""Keeps the lake small, fast and sound: compacts tables, refreshes indexes, prunes, verifies.

**What it does.** Merges small files of every table, brings the full-text and vector indexes up to
date with rows added since, removes table versions older than a week, and deletes artifacts of runs
that ended more than a week ago, and indexes that were retired more than a week ago (their vectors
stay in the cache). Texts of documents that are gone are deleted, vectors only where
`RAG_CACHE_KEEP_DAYS` says so. Then it verifies that manifest, indexes, vectors, texts and registry
agree, leaves `verification.json` beside the run's artifacts, and updates the asset
`lake_verification` with the counts. It embeds nothing and changes no answer.

**When it runs.** Sundays at 04:00 UTC, and on demand. Safe at any time, also while documents are
being ingested: readers keep the version they opened.

**When it fails.** `compact`, `prune`: search still works, only slower and on a larger lake; clear the
task, and if the disk is full, make room first. `verify`: the lake does not agree with itself; the
message counts what was found by kind (docs/operations.md explains each). Trigger this Dag with
*Repair*, then `sync_source`.

**Who cares.** Whoever pays for the storage.
"""

from __future__ import annotations

from airflow.sdk import Asset, dag, task

from include.orchestration import maintaining
from include.orchestration.assets import LAKE_VERIFICATION
from include.orchestration.defaults import COMMIT, SHARED, START, story
from include.orchestration.params import KEEP_DAYS, REPAIR


@dag(
    schedule="0 4 * * 0",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["maintenance", "index"],
    **story(__doc__),
    default_args=SHARED,
    params={"keep_days": KEEP_DAYS, "repair": REPAIR},
)
def maintain_index() -> None:
    @task(**COMMIT)
    def compact(params: dict[str, int]) -> dict[str, object]:
        """Compacts every table, refreshes its indexes and prunes old versions."""
        return maintaining.compact_tables(keep_days=params["keep_days"])

    @task(**COMMIT)
    def retire(params: dict[str, int]) -> dict[str, object]:
        """Drops indexes that were retired before the retention; never one that can be live again."""
        return maintaining.drop_retired(keep_days=params["keep_days"])

    @task(**COMMIT)
    def prune(params: dict[str, int]) -> dict[str, object]:
        """Deletes the artifacts of runs that ended before the retention."""
        return maintaining.prune_runs(keep_days=params["keep_days"])

    @task(**COMMIT)
    def forget(params: dict[str, int]) -> dict[str, object]:
        """Deletes texts of no document, and vectors that have been unused for long enough."""
        return maintaining.forget_unused(keep_days=params["keep_days"])

    @task(outlets=[LAKE_VERIFICATION], **COMMIT)
    def verify(params: dict[str, int], outlet_events: dict[Asset, object]) -> dict[str, object]:
        """Checks that everything in the lake agrees; fails when it does not and is not repaired."""
        event, days = outlet_events[LAKE_VERIFICATION], params["keep_days"]
        return maintaining.verify_lake(event, repair=bool(params["repair"]), keep_days=days)

    # Artifacts are a run's claim on texts and vectors; what is forgotten is then compacted away.
    retire() >> prune() >> forget() >> compact() >> verify()


maintain_index()
