"""Fills another index, for another model or chunker, from stored texts, beside the live one.

**What it does.** Takes the documents first ingested on the partition's day, compares the target index
with the manifest, chunks what it lacks from texts in the lake (no source is read), embeds what is new to
its model (above `approval_usd` it asks a person), and publishes. Readers stay with the live index, and
ingestion keeps both complete. A target that lacks nothing is a candidate: `index_candidate` wakes
`evaluate_candidate` (a single run: `evaluate_retrieval`), which promotes or refuses it. With *Batch API* an `openai:` model costs half, within a day.

**When it runs.** By **backfill**: *Trigger* → *Backfill*, from the first to the last day of ingestion,
both included (`plan` names them), *All Runs* (every night has left a run of its day), *Override parameters
on existing runs* (without it Airflow drops them), and the target under *Run Parameters*; or `airflow
backfill create --dag-id reembed_corpus --from-date … --to-date … --reprocess-behavior completed
--dag-run-conf '{"target": "RAG_EMBEDDER=local:…"}'`. Runs may go in any order, in parallel, again. A single run by hand takes all documents, or the days of its form. Every night
it completes what is being built. `python -m include plan --target '…'` tells price and days before.

**When it fails.** Nothing is lost or paid twice: what was embedded is cached, batches are found again.
Clear the task, or run the day again. `python -m include indexes` shows what is missing.

**Who cares.** Whoever chose the new model; readers notice nothing until the promotion.
"""

from __future__ import annotations

from airflow.sdk import Asset, CronPartitionTimetable, dag, task

from include.orchestration import reembedding
from include.orchestration.approval import SpendingApproval
from include.orchestration.assets import INDEX_CANDIDATE
from include.orchestration.batching import EmbedByBatch
from include.orchestration.defaults import COMMIT, LIGHT, REEMBED, SHARED, START, STEADY, story
from include.orchestration.params import REEMBED_FORM


@dag(
    schedule=CronPartitionTimetable(
        "0 0 * * *", timezone="UTC", run_offset=-1, key_format=reembedding.DAY
    ),
    start_date=START,
    catchup=False,
    max_active_runs=4,
    tags=["index", "backfill"],
    **story(__doc__),
    default_args=SHARED,
    params=REEMBED_FORM,
)
def reembed_corpus() -> None:
    @task(**LIGHT)
    def plan(params: dict[str, object], partition_key: str | None = None) -> dict[str, object]:
        """Lists what the target index lacks of these documents."""
        return reembedding.plan_share(params, partition_key)

    @task(**STEADY)
    def prepare(planned: dict[str, object]) -> list[dict[str, object]]:
        """Chunks them from their stored texts, and cuts new texts into batches."""
        return reembedding.prepare_batches(planned)

    @task(map_index_template="{{ batch['label'] }}", **REEMBED)
    def embed(planned: dict[str, object], batch: dict[str, object]) -> dict[str, object]:
        """Embeds one batch through the cache."""
        return reembedding.embed_batch(planned, batch)

    @task(trigger_rule="none_failed_min_one_success", **COMMIT)
    def publish(planned: dict[str, object]) -> dict[str, object]:
        """Publishes them into the target index and records what it still lacks."""
        return reembedding.publish_filled(planned)

    @task(outlets=[INDEX_CANDIDATE], **LIGHT)
    def announce(filled: dict[str, object], outlet_events: dict[Asset, object]) -> None:
        """Emits `index_candidate` when the index is complete."""
        reembedding.announce_candidate(filled, outlet_events[INDEX_CANDIDATE])

    batches, approved = prepare(planned := plan()), SpendingApproval(task_id="approve")
    published, by_batch = publish(planned), EmbedByBatch(planned=planned, **STEADY)
    embedded = embed.partial(planned=planned).expand(batch=batches)
    batches >> approved >> by_batch >> embedded >> published
    approved >> published
    announce(published)  # type: ignore[arg-type, misc]


reembed_corpus()
