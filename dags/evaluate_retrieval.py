"""Judges an index with golden questions; a candidate that passes goes live.

**What it does.** Asks the golden questions (docs/evaluation.md) of the candidate and of the live index
in one run, looks at coverage and vectors, and leaves a page in the lake, which `python -m include
report` saves for a browser. A candidate that passes is promoted: one write, readers follow with their
next request. About one that is refused a person is asked under "Required Actions", with the reasons and the
figures; whoever promotes it all the same is recorded with it. Without a candidate the live index is held
against its last evaluation.

**When it runs.** When `reembed_corpus` has completed a candidate (woken by a run of a day, this Dag is
called `evaluate_candidate`), after every ingestion (it skips when
neither index nor questions changed), and by hand for any index. Without an answer for three days the
candidate is not promoted, and stays: `switch_index` promotes it later.

**When it fails.** `gate`: the live index answers worse than when it was last evaluated; the message names
the figures and the page. `promote`: an ingestion is writing documents; it tries again. Nothing has
changed for readers.

**Who cares.** Everybody who searches, and whoever chose the new model.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import PartitionedAssetTimetable, dag, get_current_context, task

from include.orchestration import judging
from include.orchestration.assets import CHUNK_INDEX, INDEX_CANDIDATE
from include.orchestration.defaults import EMBED, LIGHT, SHARED, START, story
from include.orchestration.params import INDEX, OPTIONS, PROMOTE, WHY
from include.orchestration.review import PlainHITLOperator

SETTINGS: dict[str, Any] = {
    "start_date": START,
    "catchup": False,
    "max_active_runs": 4,  # one that waits for a person keeps no other from being judged
    "tags": ["index", "quality", "review"],
    **story(__doc__),
    "default_args": SHARED,
    "params": {"index": INDEX, "promote": PROMOTE, "options": OPTIONS},
}


def judged() -> None:
    @task(**EMBED)
    def evaluate(
        params: dict[str, object], triggering_asset_events: object = None
    ) -> dict[str, object]:
        """Asks the questions, and leaves metrics, verdict and page in the lake."""
        return judging.evaluate(params, triggering_asset_events)  # type: ignore[arg-type]

    @task(**LIGHT)
    def gate(found: dict[str, object], params: dict[str, bool]) -> list[dict[str, str]]:
        """Asks a person about a candidate that is refused; fails when the live index got worse."""
        return judging.doubts(found, promote=params["promote"])

    @task(trigger_rule="none_failed_min_one_success", **LIGHT)
    def promote(found: dict[str, object], params: dict[str, bool]) -> dict[str, object]:
        """Makes the candidate live, if it passed or a person overruled the gate."""
        answers = get_current_context()["ti"].xcom_pull(task_ids="ask", map_indexes=[0])
        return judging.promote(found, answers or [], wanted=params["promote"])

    found = evaluate()
    asked = PlainHITLOperator.partial(
        task_id="ask",
        options=[judging.PROMOTE, judging.KEEP],
        defaults=judging.KEEP,
        params={"reason": WHY},
        response_timeout=timedelta(days=3),
        map_index_template="{{ task.subject }}",
    ).expand_kwargs(gate(found))
    asked >> promote(found)


dag("evaluate_retrieval", schedule=(CHUNK_INDEX | INDEX_CANDIDATE), **SETTINGS)(judged)()
# An event of a partition wakes Dags that are partitioned, and no others.
of_partition = PartitionedAssetTimetable(assets=INDEX_CANDIDATE)
dag("evaluate_candidate", schedule=of_partition, **SETTINGS)(judged)()
