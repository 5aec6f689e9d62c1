"""The bodies of `watch_source`, and when it runs.

Messages leave the queue only after what they say is in the lake. What they say is a reason to look,
not what will be done: `ingest_documents` lists the source.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    AssetWatcher,
    DeltaTriggerTimetable,
    get_current_context,
)

from include.documents import digest
from include.errors import ConfigurationError
from include.events import newest, parse_message, within
from include.orchestration.connecting import connected, run_name
from include.orchestration.ingesting import sweep_source
from include.orchestration.skipping import skipped
from include.settings import WatchSettings
from include.storage.s3_place import S3Place
from include.wiring import Platform

if TYPE_CHECKING:
    from airflow.triggers.base import BaseEventTrigger

Json = dict[str, Any]
Received = list[dict[str, str]]
Events = Mapping[Asset, Iterable[Any]] | None

CONNECTION = "rag_s3"
KINDS = ("created", "removed", "other")
# One run takes this many messages; those left over wake the next one.
MOST_MESSAGES = 50_000
_PER_REQUEST = 10
_PER_PART = 500
_REFUSALS = (
    "NonExistentQueue", "QueueDoesNotExist", "AccessDenied", "InvalidClientTokenId",
    "SignatureDoesNotMatch", "UnrecognizedClient", "InvalidAddress", "ExpiredToken",
)  # fmt: skip


def schedule(watch: WatchSettings) -> AssetOrTimeSchedule | None:
    """Events, and a sweep for those that were lost; None when nothing is watched."""
    if watch.mode == "none":
        return None
    noticed = AssetWatcher(name=f"source_objects_{watch.mode}", trigger=_trigger(watch))
    asset = Asset(
        name="source_objects", uri="rag://source/objects", group="rag", watchers=[noticed]
    )
    return AssetOrTimeSchedule(
        timetable=DeltaTriggerTimetable(timedelta(minutes=watch.sweep_minutes)), assets=[asset]
    )


def wake(events: Events, event: Any) -> Json:
    """Empties the queue into the lake and emits `raw_documents` once if there is a reason to.

    One task for both: between two, a minute can pass. Returns the counts.
    """
    watch, platform = WatchSettings.from_environment(), connected()
    counts = dict.fromkeys(("messages", *KINDS, "elsewhere", "foreign"), 0)
    if watch.mode == "sqs":
        for part in _parts(_queue(watch.queue)):
            counts = {name: counts[name] + more for name, more in _keep(part, platform).items()}
    event.extra = _reason(counts, watch.mode, events)
    return counts


def _reason(counts: Json, mode: str, events: Events) -> Json:
    """What the event tells. Without an event that woke this run, a listing decides whether it is sent."""
    if any(counts[kind] for kind in KINDS):
        return {name: counts[name] for name in (*KINDS, "messages")}
    # What the first try took from the queue, the second does not find there.
    again = get_current_context()["ti"].try_number > 1
    if again or not any(list(each) for each in (events or {}).values()):
        return sweep_source()
    if mode == "sqs":
        raise skipped("The queue held nothing about the source.")
    return {"listing": "changed"}


def _trigger(watch: WatchSettings) -> BaseEventTrigger:
    # Airflow puts the plugins folder on sys.path, here as in the triggerer.
    from rag_watch_triggers import PrefixTrigger, QueueTrigger

    if watch.mode == "sqs":
        return QueueTrigger(watch.queue, CONNECTION, watch.seconds)
    return PrefixTrigger([list(place) for place in _places(watch)], CONNECTION, watch.seconds)


def _places(watch: WatchSettings) -> list[tuple[str, str]]:
    """Bucket and prefix of each source; keys and prefixes here are not percent-encoded."""
    places = map(S3Place.of, watch.sources)
    return [(place.bucket, place.prefix) for place in places]


def _parts(queue: Queue) -> Iterator[Received]:
    """What the queue holds, in parts that are safely in the lake before they leave the queue."""
    for _ in range(MOST_MESSAGES // _PER_PART):
        part = queue.take(_PER_PART)
        if part:
            yield part
            queue.remove(part)
        if len(part) < _PER_PART:
            return


def _keep(part: Received, platform: Platform) -> dict[str, int]:
    """Writes down what the messages say, and aside what is not understood; repeating it is harmless."""
    bodies = [message["Body"] for message in part]
    read = [parse_message(body) for body in bodies]
    events = newest(event for message in read for event in message.events)
    places = _places(platform.settings.watch)
    ours = [each for each in events.values() if within(each, places)]
    foreign = [(body, each.foreign) for body, each in zip(bodies, read, strict=True) if each.foreign]  # fmt: skip
    for body, reason in foreign:
        kept = json.dumps({"reason": reason, "body": body}).encode()
        platform.lake.objects.write(f"events/foreign/{digest('message', body)}.json", kept)
    name = digest("events", *sorted(message["MessageId"] for message in part))
    told = sorted((each.uri, each.kind, each.sequencer) for each in ours)
    platform.artifacts(run_name()).write_json(f"events/{name}", told)
    kinds: list[str] = [each.kind for each in ours]
    return {
        "messages": len(part),
        **{kind: kinds.count(kind) for kind in KINDS},
        "elsewhere": len(events) - len(ours),
        "foreign": len(foreign),
    }


class Queue:
    """An SQS queue: messages are taken, and removed once they are safe."""

    def __init__(self, client: Any, url: str) -> None:
        self._client, self._url = client, url

    def take(self, count: int) -> Received:
        """Up to that many messages, or none when the queue is empty at the moment."""
        taken: Received = []
        while len(taken) < count:
            with self._refused():
                answer = self._client.receive_message(
                    QueueUrl=self._url, MaxNumberOfMessages=_PER_REQUEST, WaitTimeSeconds=1
                )
            if not answer.get("Messages"):
                break
            taken += answer["Messages"]
        return taken

    def remove(self, messages: Received) -> None:
        """Removes them; one that cannot be removed comes again, which is harmless."""
        for at in range(0, len(messages), _PER_REQUEST):
            entries = [
                {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]}
                for number, each in enumerate(messages[at : at + _PER_REQUEST])
            ]
            with self._refused():
                self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)

    @contextmanager
    def _refused(self) -> Iterator[None]:
        """Tells refusals, which a retry does not change, from failures of the moment."""
        from botocore.exceptions import ClientError

        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if not any(each in code for each in _REFUSALS):
                raise
            raise ConfigurationError(
                f"The queue RAG_WATCH_QUEUE={self._url!r} refused a request: {code}. It should exist, "
                f"and the connection {CONNECTION} should be allowed to receive and delete its "
                f"messages (docs/deployment/iam-queue.json)."
            ) from error


def _queue(url: str) -> Queue:
    from airflow.providers.amazon.aws.hooks.sqs import SqsHook

    return Queue(SqsHook(aws_conn_id=CONNECTION).get_conn(), url)
