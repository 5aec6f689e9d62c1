"""The task that embeds through a provider's batches: deferred, and nobody's slot, while they run.

What it does is written in the lake, so any try of it, on any worker, goes on where the last one was.
What the trigger tells is only that looking is worth while.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from include.remote.endpoint import CONNECTION

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

LONGEST_WAIT = timedelta(hours=36)
"""A batch ends within 24 hours, in one way or another."""


class EmbedByBatch(BaseOperator):
    """Embeds what it can in batches where the run was asked to; what is left is for single calls."""

    template_fields = ("planned",)

    def __init__(self, *, planned: Any, task_id: str = "by_batch", **given: Any) -> None:
        doc = "Embeds through the provider's batches, if asked to, and waits without a slot."
        super().__init__(task_id=task_id, **{"doc": doc} | given)
        self.planned = planned

    def execute(self, context: Context) -> Any:  # noqa: ARG002 - Airflow's signature
        """Goes on with the batches of this run, new ones or old ones."""
        if not self.planned.get("batch_api"):
            self.log.info("The run was not asked to use batches: single calls embed everything.")
            return None
        return self._go_on()

    def execute_complete(self, context: Context, event: Any = None) -> Any:  # noqa: ARG002 - Airflow's signature
        """Goes on when the trigger has seen something."""
        return self._go_on()

    def _go_on(self) -> Any:
        # Airflow puts the plugins folder on sys.path, here as in the triggerer.
        from rag_batch_triggers import BatchTrigger

        from include.orchestration.reembedding import go_on_with_batches

        found = go_on_with_batches(self.planned)
        if "done" in found:
            return found["done"]
        self.log.info("Waiting for batches %s.", ", ".join(found["batch_ids"]) or "to be created")
        return self.defer(
            trigger=BatchTrigger(conn_id=CONNECTION, **found),
            method_name="execute_complete",
            timeout=LONGEST_WAIT,
        )
