"""Asks a person about every document that was set aside: try again, keep the old version, or drop it.

**What it does.** Lists the documents in quarantine that nobody has decided about and shows each one
under "Required Actions" with its reason and its first lines. *Release* tries this version again and
lets it pass the rules of content (language, sensitive content, garbage); *Keep the old version* leaves
the last good version searchable and asks no more; *Drop* takes the document out of the index. Then it
wakes ingestion, which carries the decisions out.

**When it runs.** When ingestion sets documents aside, and on demand. Without an answer for three days
it keeps the old versions, and asks again when the document changes. A quarantine of more than 50 is
shown in several runs, the oldest documents first.

**When it fails.** Nothing is lost: the decisions that were made are recorded, the others are asked for
by the next run. `python -m include quarantine list|release|keep|drop` does the same from a shell.

**Who cares.** Whoever owns the documents.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from include.orchestration import review
from include.orchestration.assets import QUARANTINE, RAW_DOCUMENTS
from include.orchestration.defaults import LIGHT, SHARED, START, story


@dag(
    schedule=[QUARANTINE],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["quality", "review"],
    **story(__doc__),
    default_args=SHARED,
)
def review_quarantine() -> None:
    @task(**LIGHT)
    def collect() -> list[dict[str, str]]:
        """Lists what waits for a decision; skips the run when nothing does."""
        return review.questions()

    @task(outlets=[RAW_DOCUMENTS], trigger_rule="all_done_min_one_success", **LIGHT)
    def decide() -> dict[str, int]:
        """Records the answers and wakes ingestion; skips when there is nothing to carry out."""
        return review.record_answers(review.answers("ask"))

    asked = review.PlainHITLOperator.partial(
        task_id="ask",
        options=list(review.CHOICES),
        defaults=review.SAFE_CHOICE,
        response_timeout=timedelta(days=3),
        map_index_template="{{ task.subject }}",
    ).expand_kwargs(collect())
    asked >> decide()


review_quarantine()
