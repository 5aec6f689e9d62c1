"""What the Dags share: owner, start date, and retries, timeouts and pools by kind of task.

Every task that paid shows its usage and cost when it ends, see include/orchestration/callbacks.py.
Transient errors are retried with growing delays; permanent ones (see include/errors.py) fail the
task at once, because the same input would fail again.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from include.errors import PermanentError
from include.orchestration.callbacks import usage_callbacks
from include.settings import EmbedWorkers

START = datetime(2026, 1, 1, tzinfo=UTC)

SHARED: dict[str, Any] = {
    "owner": "data-platform",
    "retries": 3,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": ExceptionRetryPolicy(
        rules=[RetryRule(exception=PermanentError, action=RetryAction.FAIL)]
    ),
    **usage_callbacks(),
}


def story(docstring: str | None) -> dict[str, Any]:
    """What the UI shows of a Dag: one line where Dags are listed, and a runbook with headings."""
    text = docstring or ""
    return {
        "description": text.partition("\n")[0].replace("`", ""),
        "doc_md": re.sub(r"^\*\*([^*\n]+)\.\*\* ", r"### \1\n\n", text, flags=re.MULTILINE),
    }


LIGHT: dict[str, Any] = {"execution_timeout": timedelta(minutes=30)}
"""Reads listings and manifests."""

STEADY: dict[str, Any] = {"execution_timeout": timedelta(hours=4)}
"""Reads documents; takes as long as what changed is large."""


def placed(workers: EmbedWorkers) -> dict[str, Any]:
    """What sends a task to the workers that embed; nothing when they are like all others."""
    chosen: dict[str, Any] = {}
    if workers.queue:
        chosen["queue"] = workers.queue
    if workers.pod_template:
        chosen["executor_config"] = {"pod_template_file": workers.pod_template}
    if workers.at_once:
        chosen["max_active_tis_per_dagrun"] = workers.at_once
    return chosen


EMBED: dict[str, Any] = {
    "execution_timeout": timedelta(hours=6),
    "pool": "embedding",
    "retries": 5,
    **placed(EmbedWorkers.from_environment()),
}
"""Loads a model or pays a provider; the pool bounds how many run at once over all Dags."""

REEMBED: dict[str, Any] = {**EMBED, "priority_weight": 1, "weight_rule": "absolute"}
"""The same, behind what is ingested: a backfill takes the slots that ingestion leaves."""

LLM: dict[str, Any] = {
    "execution_timeout": timedelta(hours=6),
    "pool": "llm",
    "retries": 5,
}
"""Asks a chat model; the pool bounds how many do at once over all Dags."""

COMMIT: dict[str, Any] = {"execution_timeout": timedelta(hours=2)}
"""Writes tables; safe to repeat."""
