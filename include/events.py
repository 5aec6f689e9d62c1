"""What a message of a bucket's event notifications says; pure.

Buckets tell of changes in three shapes: S3's own (`Records`), the same wrapped by SNS, and
EventBridge's. Messages come late, twice, in any order or never, so nothing is concluded from them
but that it is worth looking at the source: a listing decides what is added or removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote_plus

Kind = Literal["created", "removed", "other"]

_TEST_EVENT = "s3:TestEvent"
# EventBridge names events in words. https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
_IN_WORDS: Mapping[str, Kind] = {"Object Created": "created", "Object Deleted": "removed"}


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """Something happened to one object; `sequencer` orders the events of one key, "" if unknown."""

    bucket: str
    key: str
    kind: Kind
    sequencer: str = ""

    @property
    def uri(self) -> str:
        """The object, its key as it is; sources percent-encode theirs."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Message:
    """What one message held: its events, and why it, or a part of it, is not understood ("" if not)."""

    events: tuple[ObjectEvent, ...] = ()
    foreign: str = ""


@dataclass(slots=True)
class _Reading:
    events: list[ObjectEvent] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def parse_message(body: str) -> Message:
    """The events of a message's body. Never raises: what cannot be read is `foreign`, with a reason."""
    reading = _Reading()
    _read(body, reading, wrapped=False)
    return Message(tuple(reading.events), "; ".join(dict.fromkeys(reading.problems)))


def newest(events: Iterable[ObjectEvent]) -> dict[str, ObjectEvent]:
    """The last event of each object by URI; the order and number of the events does not matter.

    Where the sequencers do not tell, a removal counts as older: whoever looks finds the truth.
    """
    found: dict[str, ObjectEvent] = {}
    for event in events:
        known = found.get(event.uri)
        if known is None or _age(event) > _age(known):
            found[event.uri] = event
    return found


def within(event: ObjectEvent, places: Iterable[tuple[str, str]]) -> bool:
    """Whether the object lies in one of the places, each a bucket and the beginning of its keys."""
    return any(event.bucket == bucket and event.key.startswith(prefix) for bucket, prefix in places)


def _age(event: ObjectEvent) -> tuple[str, int]:
    # Sequencers are hexadecimal numbers of different lengths, compared after padding on the right.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    padded = event.sequencer.lower().ljust(64, "0")
    return padded, ("removed", "other", "created").index(event.kind)


def _read(body: str, reading: _Reading, *, wrapped: bool) -> None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        reading.problems.append("It is no JSON.")
        return
    if not isinstance(content, dict):
        reading.problems.append(f"It should be a JSON object, is a {type(content).__name__}.")
    elif isinstance(content.get("Records"), list):
        _read_records(content["Records"], reading)
    elif content.get("Type") == "Notification" and isinstance(content.get("Message"), str):
        if wrapped:
            reading.problems.append("It is wrapped by SNS more than once.")
        else:
            _read(content["Message"], reading, wrapped=True)
    elif content.get("source") == "aws.s3":
        _read_bridged(content, reading)
    elif content.get("Event") != _TEST_EVENT:
        reading.problems.append("It is no event notification of a bucket.")


def _read_records(records: list[Any], reading: _Reading) -> None:
    for record in records:
        event = _record(record)
        if event is None:
            reading.problems.append("A record names no event, bucket or key of S3.")
        else:
            reading.events.append(event)


def _record(record: Any) -> ObjectEvent | None:
    name, bucket, key = (
        _text(record, *path)
        for path in (("eventName",), ("s3", "bucket", "name"), ("s3", "object", "key"))
    )
    if not name or not bucket or not key:
        return None
    sequencer = _text(record, "s3", "object", "sequencer") or ""
    # A key's bytes need not be text; what they decode to only has to be stable.
    return ObjectEvent(bucket, unquote_plus(key, errors="surrogateescape"), _kind(name), sequencer)


def _read_bridged(content: Mapping[str, Any], reading: _Reading) -> None:
    """EventBridge does not encode keys."""
    bucket, key = _text(content, "detail", "bucket", "name"), _text(content, "detail", "object", "key")  # fmt: skip
    if not bucket or not key:
        reading.problems.append("An event of EventBridge names no bucket or key.")
        return
    kind = _IN_WORDS.get(_text(content, "detail-type") or "", "other")
    sequencer = _text(content, "detail", "object", "sequencer") or ""
    reading.events.append(ObjectEvent(bucket, key, kind, sequencer))


def _kind(name: str) -> Kind:
    """From names like `ObjectCreated:Copy`, with or without `s3:` in front."""
    plain = name.removeprefix("s3:")
    if plain.startswith("ObjectCreated:"):
        return "created"
    # A lifecycle rule removes objects under a name of its own.
    return "removed" if plain.startswith(("ObjectRemoved:", "LifecycleExpiration:")) else "other"


def _text(content: Any, *path: str) -> str | None:
    return next((value for value in _walk(content, path) if isinstance(value, str)), None)


def _walk(content: Any, path: tuple[str, ...]) -> Iterator[Any]:
    for name in path:
        if not isinstance(content, dict):
            return
        content = content.get(name)
    yield content
