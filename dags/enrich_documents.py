"""Lets a chat model fill in metadata of documents: title, authors, date, topics, entities, summary.

**What it does.** Finds the texts that the prompt `enrich` and the models of `RAG_ENRICH_MODELS` have
not described yet, and describes them: the cheap model first, the strong one for hard texts and where
the first is not sure. Replies are checked against a schema. What the models doubt is shown to a
person under "Required Actions"; without an answer for three days it is left out. Accepted fields wake
ingestion, which writes them into the index, below what people, files and paths say; nothing is
embedded. Declare them in `RAG_METADATA_FIELDS` to filter by them.

**When it runs.** When ingestion published something, and on demand; above `approval_usd` it waits for
a person first, and rejected it describes nothing. It skips, and spends nothing,
unless `RAG_ENRICH_MODELS` and `RAG_CHAT_MODEL` name models. A text is paid for once for each version
of the prompt and choice of models, whatever it is called and however often it runs.

**When it fails.** What was described is kept; clear the task to go on. A text that no model can
describe is set aside with a reason, and is tried again with *Again*. A budget that is used up ends
the run early: the next one goes on.

**Who cares.** Whoever filters by these fields. `python -m include enrich` does the same from a shell.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, dag, task

from include.orchestration import enrichment, review
from include.orchestration.approval import SpendingApproval
from include.orchestration.assets import CHUNK_INDEX, RAW_DOCUMENTS
from include.orchestration.defaults import LIGHT, LLM, SHARED, START, story
from include.orchestration.params import AGAIN, MOST_TEXTS


@dag(
    schedule=[CHUNK_INDEX],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["llm", "review"],
    **story(__doc__),
    default_args=SHARED,
    params={"most": MOST_TEXTS, "again": AGAIN},
)
def enrich_documents() -> None:
    @task(**LIGHT)
    def plan(params: dict[str, object]) -> list[dict[str, object]]:
        """Finds the texts that are not described yet, and cuts them into batches."""
        return enrichment.plan_enrichment(params)

    @task(map_index_template="{{ batch['label'] }}", **LLM)
    def describe(batch: dict[str, object]) -> dict[str, object]:
        """Describes the texts of one batch."""
        return enrichment.describe(batch)

    @task(outlets=[RAW_DOCUMENTS], trigger_rule="none_failed_min_one_success", **LIGHT)
    def announce(outlet_events: dict[Asset, object]) -> int:
        """Wakes ingestion when documents have new metadata."""
        return enrichment.announce(outlet_events[RAW_DOCUMENTS])

    @task(trigger_rule="none_failed_min_one_success", **LIGHT)
    def collect() -> list[dict[str, str]]:
        """Lists what the models doubt; skips when there is nothing."""
        return enrichment.questions()

    @task(outlets=[RAW_DOCUMENTS], trigger_rule="all_done_min_one_success", **LIGHT)
    def decide(outlet_events: dict[Asset, object]) -> dict[str, int]:
        """Records the answers and wakes ingestion for what was accepted."""
        answers = review.answered("ask", enrichment.asked())
        return enrichment.record_answers(answers, outlet_events[RAW_DOCUMENTS])

    batches = plan()
    asked = review.PlainHITLOperator.partial(
        task_id="ask",
        options=list(enrichment.CHOICES),
        defaults=enrichment.SAFE_CHOICE,
        response_timeout=timedelta(days=3),
        map_index_template="{{ task.subject }}",
    )
    approved = SpendingApproval(task_id="approve")
    described, doubtful = describe.expand(batch=batches), collect()
    batches >> approved >> described
    [batches, described] >> announce()
    [batches, described] >> doubtful
    asked.expand_kwargs(doubtful) >> decide()


enrich_documents()
