"""Finds what changed at the source, and wakes `ingest_documents` if anything did.

**What it does.** Lists the source (`RAG_SOURCE_URI`), compares the listing with the manifest of
what is indexed, and emits the asset `raw_documents` when a document was added, changed, moved or
removed. When nothing changed it emits nothing, and the run ends with a skipped task: that is good
news. It opens no file and spends nothing.

**When it runs.** Daily at 02:00 UTC, and on demand. The trigger form has three switches: re-read
every file even if its stamp is unchanged, allow more deletions than `max_delete_fraction`, and
look only (report, but wake nobody).

**When it fails.** The source could not be listed completely: a missing folder, a bucket without
permission. Nothing was deleted because of it; the index keeps answering with what it has. Fix the
access and clear the task, or wait for the next run.

**Who cares.** The owner of the documents: a day without this run is a day of stale answers.
"""

from __future__ import annotations

from airflow.sdk import Asset, dag, task

from include.orchestration import ingesting
from include.orchestration.assets import RAW_DOCUMENTS
from include.orchestration.defaults import LIGHT, SHARED, START, story
from include.orchestration.params import ALLOW_DELETIONS, LOOK_ONLY, REREAD


@dag(
    schedule="0 2 * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["ingestion", "source"],
    **story(__doc__),
    default_args=SHARED,
    params={"reread": REREAD, "allow_deletions": ALLOW_DELETIONS, "look_only": LOOK_ONLY},
)
def sync_source() -> None:
    @task(**LIGHT)
    def list_source(params: dict[str, bool]) -> dict[str, object]:
        """Lists the source and compares it with the manifest; returns counts."""
        return ingesting.detect_changes(reread=params["reread"])

    @task(outlets=[RAW_DOCUMENTS], **LIGHT)
    def announce(
        changes: dict[str, object],
        params: dict[str, bool],
        outlet_events: dict[Asset, object],
    ) -> None:
        """Emits `raw_documents` with the counts; skipped when there is nothing to ingest."""
        ingesting.announce_changes(changes, params, outlet_events[RAW_DOCUMENTS])

    announce(list_source())


sync_source()
