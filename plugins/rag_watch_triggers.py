"""Triggers that notice new objects in S3 and wake `watch_source`.

They live in the plugins folder because the triggerer looks for triggers there, and not in the bundle;
so they import nothing of the platform. An event says only that looking is worth while. Neither
trigger takes anything away: messages stay in the queue until `watch_source` has written them down.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

_LONGEST_SILENCE_SECONDS = 60.0


class QueueTrigger(BaseEventTrigger):
    """Fires while an SQS queue holds messages.

    It only asks how many there are. As long as nobody takes them away it fires again, ever less
    often: an event that Airflow strands, or that meets a paused Dag, is followed by another one.
    """

    silence = 10.0  # seconds for somebody to come and take them, before it fires again

    def __init__(self, queue: str, aws_conn_id: str, seconds: float) -> None:
        super().__init__()
        self.queue, self.aws_conn_id, self.seconds = queue, aws_conn_id, seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where the triggerer finds this class, and its arguments."""
        return (
            "rag_watch_triggers.QueueTrigger",
            {"queue": self.queue, "aws_conn_id": self.aws_conn_id, "seconds": self.seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Asks for ever; an endpoint that does not answer is asked again."""
        silence, quiet_until, clock = self.silence, 0.0, asyncio.get_running_loop()
        while True:
            waiting = await _patiently(self, self._waiting)
            if not waiting:
                silence, quiet_until = self.silence, 0.0
            elif clock.time() >= quiet_until:
                yield TriggerEvent({"messages": waiting})
                quiet_until = clock.time() + silence
                silence = min(silence * 2, _LONGEST_SILENCE_SECONDS)
            await asyncio.sleep(self.seconds)

    def _waiting(self) -> int:
        from airflow.providers.amazon.aws.hooks.sqs import SqsHook

        client = SqsHook(aws_conn_id=self.aws_conn_id).get_conn()
        name = "ApproximateNumberOfMessages"
        found = client.get_queue_attributes(QueueUrl=self.queue, AttributeNames=[name])
        return int(found["Attributes"][name])


class PrefixTrigger(BaseEventTrigger):
    """Fires when the listing of a bucket's prefix is another than at its last event.

    `places` are pairs of bucket and prefix. What it remembers, in the asset's state store, is one
    digest of all keys, etags and sizes: it notices removals too. Its very first look fires, and so
    does the first one when that cannot be read.
    """

    def __init__(self, places: list[list[str]], aws_conn_id: str, seconds: float) -> None:
        super().__init__()
        self.places, self.aws_conn_id, self.seconds = places, aws_conn_id, seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where the triggerer finds this class, and its arguments."""
        return (
            "rag_watch_triggers.PrefixTrigger",
            {"places": self.places, "aws_conn_id": self.aws_conn_id, "seconds": self.seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Lists for ever; a bucket that does not answer is asked again."""
        store: Any = self.asset_state_store
        seen = await _tried(self, lambda: store.aget("listing", default=""))
        while True:
            listed = await _patiently(self, self._listed)
            if listed and listed["digest"] != seen:
                yield TriggerEvent({"objects": listed["objects"]})
                # Afterwards: a triggerer that dies in between fires twice instead of never.
                seen = listed["digest"]
                await _tried(self, lambda digest=seen: store.aset("listing", digest))
            await asyncio.sleep(self.seconds)

    def _listed(self) -> dict[str, Any]:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        hook = S3Hook(aws_conn_id=self.aws_conn_id)
        client, extra = hook.get_conn(), hook.conn_config.extra_config.get("extra_args") or {}
        payer = {name: extra[name] for name in ("RequestPayer",) if name in extra}
        total, objects = hashlib.sha256(), 0
        for bucket, prefix in self.places:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, **payer
            )
            for held in (each for page in pages for each in page.get("Contents", ())):
                total.update(repr((bucket, held["Key"], held["ETag"], held["Size"])).encode("utf-8", "surrogatepass"))  # fmt: skip
                objects += 1
        return {"digest": total.hexdigest(), "objects": objects}


async def _patiently(trigger: BaseEventTrigger, ask: Any) -> Any:
    """What the store answers, asked in a thread; None, and a warning, when it does not."""
    return await _tried(trigger, lambda: asyncio.to_thread(ask))


async def _tried(trigger: BaseEventTrigger, ask: Any) -> Any:
    """What is answered; None, and a warning in the triggerer's log, when nothing is."""
    try:
        return await ask()
    except Exception as error:  # noqa: BLE001 - a trigger that raises is started again at once, for ever
        trigger.log.warning("Cannot look for new objects, trying again: %s", error)
        return None
