"""Notices objects that arrive at, change in or leave an S3 source, and wakes `ingest_documents`.

**What it does.** With `RAG_WATCH=sqs` it empties the queue that the bucket notifies: what the messages
say is written into the lake, then they are deleted, and one event `raw_documents` is emitted however
many there were. Messages that are no notification are kept under `events/foreign/` of the lake. With
`RAG_WATCH=prefix` there is no queue: the triggerer lists the bucket and wakes this Dag when the listing
changed. Messages say that something happened, never what is true: `ingest_documents` lists the source
and decides, so late, doubled, disordered and lost messages do no harm.

**When it runs.** When the triggerer notices something (every `RAG_WATCH_SECONDS`), and every
`RAG_WATCH_SWEEP_MINUTES` without any event: that run also compares a listing with the manifest, which
catches what notifications lost. By hand it does the same. With `RAG_WATCH=none`, the default, nothing is
watched and only you start it.

**When it fails.** The queue does not exist, the connection `rag_s3` may not read it, or the
lake could not be written. Messages stay in the queue until they are written down; clear the task. If it
never runs although objects arrive, look for *Cannot look for new objects* in the triggerer's log.

**Who cares.** Whoever expects a new document to be found within seconds; `sync_source` finds it within
a day.
"""

from __future__ import annotations

from airflow.sdk import Asset, dag, task

from include.orchestration import watching
from include.orchestration.assets import RAW_DOCUMENTS
from include.orchestration.defaults import LIGHT, SHARED, START, story
from include.settings import WatchSettings


@dag(
    schedule=watching.schedule(WatchSettings.from_environment()),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["ingestion", "source"],
    **story(__doc__),
    default_args=SHARED,
)
def watch_source() -> None:
    @task(outlets=[RAW_DOCUMENTS], **LIGHT)
    def wake(
        outlet_events: dict[Asset, object],
        triggering_asset_events: watching.Events = None,
    ) -> dict[str, object]:
        """Empties the queue into the lake, and emits `raw_documents` once."""
        return watching.wake(triggering_asset_events, outlet_events[RAW_DOCUMENTS])

    wake()


watch_source()
