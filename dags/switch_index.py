"""Makes another index live: rolls back, or promotes a candidate by hand.

**What it does.** One conditional write of the registry; readers follow with their next request.
*previous* goes back to the index that was live before, which is kept for that. The name of a
candidate promotes it, if it lacks no document and passed beside the index that is live; with a reason it
goes live although it was refused, and the reason stays with it. Then it wakes ingestion, which brings the
index up to date with what has changed since it was last live; nothing is embedded twice.

**When it runs.** By hand. `python -m include rollback` and `… promote NAME` do the same.

**When it fails.** Nothing has changed; the message says what is missing.

**Who cares.** Everybody who searches.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from include.orchestration import reembedding
from include.orchestration.assets import RAW_DOCUMENTS
from include.orchestration.defaults import LIGHT, SHARED, START, story
from include.orchestration.params import REASON, SWITCH_TO


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["index"],
    **story(__doc__),
    default_args=SHARED,
    params={"to": SWITCH_TO, "reason": REASON},
)
def switch_index() -> None:
    @task(outlets=[RAW_DOCUMENTS], **LIGHT)
    def switch(params: dict[str, str]) -> dict[str, object]:
        """Switches, and wakes ingestion."""
        return reembedding.switch(params["to"], params["reason"] or "")

    switch()


switch_index()
