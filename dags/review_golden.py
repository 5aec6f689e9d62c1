"""Asks people about golden questions: a chat model proposes them, a person accepts, rejects or rewords.

**What it does.** When fewer questions wait than are to be shown, it draws passages evenly over the
documents and lets the models of `RAG_CHAT_MODEL` write questions about them (prompt
`generate_questions`); without a chat model they are titles and headings. What passes plain checks waits,
marked `synthetic`. A bounded batch is shown under "Required Actions" with passage, document and expected
answer. Accepted ones become the golden set in the lake: from ten on `evaluate_retrieval` asks them,
unless `RAG_GOLDEN_QUESTIONS` names a file.

**When it runs.** On demand. A passage is paid for once for each version of the prompt and choice of
models; above `approval_usd` a person is asked first. Answers are recorded when every question of the
run has one; without an answer for three days a question waits for the next run.

**When it fails.** What was written and decided is kept; clear the task to go on. A budget that is used up
ends the generation early, and what waits is shown. Replies that cannot be used are counted as `set_aside`.

**Who cares.** Whoever judges search. `python -m include golden generate|list|accept|reject|export` does
the same from a shell.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from include.orchestration import curating, review
from include.orchestration.approval import SpendingApproval
from include.orchestration.defaults import LIGHT, LLM, SHARED, START, story
from include.orchestration.params import MOST_PASSAGES, OTHER_WORDS, SEED, SHOW


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["llm", "quality", "review"],
    **story(__doc__),
    default_args=SHARED,
    params={"most": MOST_PASSAGES, "show": SHOW, "seed": SEED},
)
def review_golden() -> None:
    @task(**LIGHT)
    def plan(params: dict[str, object]) -> dict[str, object]:
        """Draws passages and prices them; asks for nothing while enough questions wait."""
        return curating.plan(params)

    @task(**LLM)
    def generate(planned: dict[str, object]) -> dict[str, object]:
        """Lets the chat model write questions; each passage's are kept as they come."""
        return curating.generate(planned)

    @task(trigger_rule="none_failed_min_one_success", **LIGHT)
    def collect(params: dict[str, object]) -> list[dict[str, str]]:
        """Lists a batch of the questions that wait; skips when there is none."""
        return curating.questions(params)

    @task(trigger_rule="all_done_min_one_success", **LIGHT)
    def decide() -> dict[str, int]:
        """Records what people decided; accepted questions are asked from now on."""
        return curating.record_answers(review.answered("ask", curating.asked()))

    planned = plan()
    approve = SpendingApproval(task_id="approve")
    written, waiting = generate(planned), collect()
    planned >> approve >> written
    [planned, written] >> waiting
    asked = review.PlainHITLOperator.partial(
        task_id="ask",
        options=list(curating.CHOICES),
        defaults=curating.SAFE_CHOICE,
        params={"question": OTHER_WORDS},
        response_timeout=timedelta(days=3),
        map_index_template="{{ task.subject }}",
    )
    asked.expand_kwargs(waiting) >> decide()


review_golden()
