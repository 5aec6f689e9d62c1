"""The trigger that waits for batches at an OpenAI-compatible provider.

It lives in the plugins folder because the triggerer looks for triggers there, and not in the bundle;
so it imports nothing of the platform. The key is read from the connection where it runs, and is in
none of its arguments, which Airflow stores.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

_OVER = ("completed", "failed", "expired", "cancelled")


class BatchTrigger(BaseTrigger):
    """Fires when one of the batches is over, or is not known; without batches, after a while.

    A provider that does not answer is asked again. `options` are organization, project, api_version.
    """

    def __init__(
        self,
        batch_ids: list[str],
        url: str,
        conn_id: str,
        seconds: float,
        options: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.batch_ids, self.url, self.conn_id = batch_ids, url, conn_id
        self.seconds, self.options = seconds, options or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where the triggerer finds this class, and its arguments."""
        names = ("batch_ids", "url", "conn_id", "seconds", "options")
        return "rag_batch_triggers.BatchTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Asks until there is something to tell; a restarted triggerer just asks on."""
        while True:
            await asyncio.sleep(self.seconds)
            try:
                over = await asyncio.to_thread(self._over)
            except Exception as error:  # noqa: BLE001 - the message may quote what is secret
                self.log.warning("Cannot ask for batches, trying again: %s", type(error).__name__)
                continue
            if over or not self.batch_ids:
                yield TriggerEvent({"over": over})
                return

    def _over(self) -> list[str]:
        """Those that have come to an end, whatever it is."""
        import openai
        from airflow.sdk import Connection

        if not self.batch_ids:
            return []
        version = self.options.get("api_version")
        with openai.OpenAI(
            api_key=Connection.get(self.conn_id).password or "none",
            base_url=self.url,
            organization=self.options.get("organization"),
            project=self.options.get("project"),
            default_query={"api-version": version} if version else None,
            max_retries=0,
            timeout=60,
        ) as client:
            return [name for name in self.batch_ids if _is_over(client, name)]


def _is_over(client: Any, batch_id: str) -> bool:
    import openai

    try:
        return client.batches.retrieve(batch_id).status in _OVER
    except openai.NotFoundError:
        return True
