"""Makes the index equal to the source: prepare → gate → approve → embed → publish.

**What it does.** Plans against the manifest (an event only wakes it up; the listing is the truth),
reads and chunks what changed, sets unusable documents aside with a reason, embeds the texts no
model has seen yet in mapped batches (above `approval_usd`, `approve` asks a person first), and
publishes all in one commit; until then readers see the old versions. Emits `chunk_index`.

**When it runs.** When `raw_documents` is updated, by hand, or as `airflow dags test
ingest_documents`. A run that finds nothing to do skips its tasks and embeds nothing.

**When it fails.** `gate`: more than `RAG_MAX_BAD_FRACTION` of the documents were bad, so nothing
was published; open the report named in the log. `embed`: the model or its endpoint failed; what
was embedded is cached, so clearing the task pays only for the rest. `publish`: the lake could not
be written; clear it. `withheld`: more documents are gone than `max_delete_fraction` allows; they
wait for `allow_deletions`. Rejected or unanswered for a day: all stays as it was; it asks again.

**Who cares.** Everybody who searches: until then they read yesterday's documents.
"""

from __future__ import annotations

from airflow.sdk import Asset, dag, task

from include.orchestration import ingesting
from include.orchestration.approval import SpendingApproval
from include.orchestration.assets import CHUNK_INDEX, QUARANTINE, RAW_DOCUMENTS
from include.orchestration.defaults import COMMIT, EMBED, LIGHT, SHARED, START, STEADY, story
from include.orchestration.params import ALLOW_DELETIONS, REBUILD, REREAD


@dag(
    schedule=[RAW_DOCUMENTS],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["ingestion", "index"],
    **story(__doc__),
    default_args=SHARED,
    params={"reread": REREAD, "allow_deletions": ALLOW_DELETIONS, "rebuild": REBUILD},
)
def ingest_documents() -> None:
    @task(**LIGHT)
    def plan(params: dict[str, bool], triggering_asset_events: object = None) -> dict[str, object]:
        """Lists the source and diffs it with the manifest; skips the run when they agree."""
        return ingesting.plan_ingestion(params, triggering_asset_events)

    @task(**STEADY)
    def prepare(changes: dict[str, object]) -> dict[str, object]:
        """Reads, parses, cleans and chunks what changed."""
        return ingesting.prepare_documents(changes)

    @task(**STEADY)
    def gate(prepared: dict[str, object]) -> list[dict[str, object]]:
        """Validates documents and chunks, then cuts the texts to embed into batches."""
        return ingesting.pass_gate(prepared)

    @task(map_index_template="{{ batch['label'] }}", **EMBED)
    def embed(batch: dict[str, object]) -> dict[str, object]:
        """Embeds one batch through the cache."""
        return ingesting.embed_texts(batch)

    @task(outlets=[CHUNK_INDEX], trigger_rule="none_failed_min_one_success", **COMMIT)
    def publish(outlet_events: dict[Asset, object]) -> dict[str, object]:
        """Publishes chunks and manifest, and emits `chunk_index`."""
        return ingesting.publish_index(outlet_events[CHUNK_INDEX])

    @task(**STEADY)
    def keep_others() -> None:
        """Writes the same documents into indexes that are being built beside the live one."""
        ingesting.keep_other_indexes()

    @task(**LIGHT)
    def withheld(receipt: dict[str, object]) -> None:
        """Fails when deletions wait for a person."""
        ingesting.refuse_withheld(receipt)

    @task(outlets=[QUARANTINE], **LIGHT)
    def tell_reviewers(receipt: dict[str, object], outlet_events: dict[Asset, object]) -> None:
        """Emits `quarantine` when documents were set aside."""
        ingesting.tell_reviewers(receipt, outlet_events[QUARANTINE])

    batches, approved = gate(prepare(plan())), SpendingApproval(task_id="approve")
    published = publish()
    batches >> approved >> embed.expand(batch=batches) >> published >> keep_others()
    approved >> published
    withheld(published)
    tell_reviewers(published)  # type: ignore[arg-type, misc]


ingest_documents()
