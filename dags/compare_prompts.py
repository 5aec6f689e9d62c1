"""Compares two versions of the prompt `answer`: both answer the same questions, a model judges.

**What it does.** Asks the golden questions (docs/evaluation.md), or those of the form, with each version,
and lets the configured chat model judge every answer: is it faithful to its passages, does it answer, do
the passages help. Leaves a page in the lake, `evaluations/<run>.html`: scores, differences with 95 %
intervals, cost, and the answers side by side. The result of *compare* has the figures and names the page.
It changes nothing: to put a version into production, move its label in the Variable `prompt_templates`.

**When it runs.** On demand, and only with a chat model (`RAG_CHAT_MODEL`). It is paid: one call for the
answer and up to three for the judge, for each question and version. *plan* tells what that costs at most;
above `approval_usd`, `approve` asks a person first.

**When it fails.** A version that there is not is told before anything is paid. A budget that is used up
ends it; clear the task to go on, what was paid for is answered from the cache of identical requests.

**Who cares.** Whoever writes prompts. `python -m include evaluate --prompt-version A --prompt-version B`
does the same from a shell.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from include.orchestration import comparing
from include.orchestration.approval import SpendingApproval
from include.orchestration.defaults import LIGHT, LLM, SHARED, START, story
from include.orchestration.params import FIRST_VERSION, JUDGED_URI, MOST_JUDGED, SECOND_VERSION


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    tags=["llm", "quality"],
    **story(__doc__),
    default_args=SHARED,
    params={
        "first": FIRST_VERSION,
        "second": SECOND_VERSION,
        "uri": JUDGED_URI,
        "most": MOST_JUDGED,
    },
)
def compare_prompts() -> None:
    @task(**LIGHT)
    def plan(params: dict[str, object]) -> dict[str, object]:
        """Chooses the questions, and counts what answering and judging costs at most."""
        return comparing.plan_comparison(params)

    @task(**LLM)
    def compare(params: dict[str, object]) -> dict[str, object]:
        """Answers with both versions, judges the answers, and leaves figures and a page."""
        return comparing.compare_prompts(params)

    plan() >> SpendingApproval(task_id="approve") >> compare()


compare_prompts()
