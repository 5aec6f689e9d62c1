"""Answers a file of questions from the documents, with citations and the cost of each answer.

**What it does.** Reads the questions of a file in the lake or in a source (JSON Lines or CSV with a
column `question` and, if they like, `id`; else one a line), or those typed into the form. Those
without an answer are cut into at most `RAG_MAX_MAPPED_TASKS` batches, answered as `ask` does, and
collected: JSON Lines and Parquet in the run's folder of the lake; the result of *collect* says where.
Without a chat model (`RAG_CHAT_MODEL=none`) answers are sentences of the documents, labelled
`extractive`, and cost nothing.

**When it runs.** On demand; above `approval_usd` it waits for a person before it asks. The same question
of the same index, prompt version and model is not paid again: a second run asks what is missing, and
after a sync that changed the index everything.

**When it fails.** Every answer is kept as it comes. A batch that failed goes on where it stopped when it is
cleared. *collect* writes what there is and then fails while questions are open, because a budget is
used up: run it again, tomorrow if need be. A question that the model refuses is answered by extracts,
with a note.

**Who cares.** Whoever asked. `python -m include answer FILE` does the same from a shell.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from include.orchestration import answering
from include.orchestration.approval import SpendingApproval
from include.orchestration.defaults import LIGHT, LLM, SHARED, START, story
from include.orchestration.params import PROMPT_VERSION, QUESTIONS, QUESTIONS_URI, K


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    tags=["llm"],
    **story(__doc__),
    default_args=SHARED,
    params={
        "uri": QUESTIONS_URI,
        "questions": QUESTIONS,
        "prompt_version": PROMPT_VERSION,
        "k": K,
    },
)
def answer_questions() -> None:
    @task(**LIGHT)
    def plan(params: dict[str, object]) -> list[dict[str, object]]:
        """Reads the questions; cuts what has no answer yet into batches."""
        return answering.plan_answers(params)

    @task(map_index_template="{{ batch['label'] }}", **LLM)
    def answer(params: dict[str, object], batch: dict[str, object]) -> dict[str, object]:
        """Answers the questions of one batch."""
        return answering.answer_questions(params, batch)

    @task(trigger_rule="none_failed_min_one_success", **LIGHT)
    def collect(params: dict[str, object]) -> dict[str, object]:
        """Writes the answers; fails while some are missing."""
        return answering.collect_answers(params)

    batches, approved = plan(), SpendingApproval(task_id="approve")
    answered = answer.expand(batch=batches)
    batches >> approved >> answered
    [approved, answered] >> collect()


answer_questions()
