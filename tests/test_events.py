"""What notifications say: every shape, any order, and nothing that can break the reader."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.events import Message, ObjectEvent, newest, parse_message, within


def record(key: str, name: str = "ObjectCreated:Put", sequencer: str = "1", **more: Any) -> Any:
    subject = {"bucket": {"name": "b"}, "object": {"key": key, "sequencer": sequencer} | more}
    return {"eventSource": "aws:s3", "eventName": name, "s3": subject}


def told(*records: Any) -> str:
    return json.dumps({"Records": list(records)})


def bridged(detail_type: str, key: str) -> str:
    detail = {"bucket": {"name": "b"}, "object": {"key": key, "sequencer": "2"}}
    return json.dumps({"source": "aws.s3", "detail-type": detail_type, "detail": detail})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ObjectCreated:Put", "created"),
        ("ObjectCreated:Copy", "created"),
        ("s3:ObjectCreated:CompleteMultipartUpload", "created"),
        ("ObjectRemoved:Delete", "removed"),
        ("ObjectRemoved:DeleteMarkerCreated", "removed"),
        ("LifecycleExpiration:Delete", "removed"),
        ("ObjectTagging:Put", "other"),
    ],
)
def test_the_kind_of_an_event_is_read_from_its_name(name, kind):
    assert parse_message(told(record("a", name))).events == (ObjectEvent("b", "a", kind, "1"),)


def test_the_test_event_of_a_new_notification_is_known_and_says_nothing():
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"})
    assert parse_message(body) == Message()


def test_events_wrapped_by_sns_are_the_same_events():
    wrapped = json.dumps({"Type": "Notification", "Message": told(record("a+b"))})
    assert parse_message(wrapped) == parse_message(told(record("a+b")))
    twice = json.dumps({"Type": "Notification", "Message": wrapped})
    assert parse_message(twice).foreign


def test_eventbridge_does_not_encode_keys():
    body = bridged("Object Created", "a+b%20c.md")
    assert parse_message(body).events == (ObjectEvent("b", "a+b%20c.md", "created", "2"),)
    assert parse_message(bridged("Object Deleted", "a")).events[0].kind == "removed"


@pytest.mark.parametrize(
    "body",
    [
        "", "hello", "[]", "null", "{}", '{"Records": 3}', '{"Records": [3]}', '"Records"',
        '{"Records": [{"s3": {"bucket": {"name": 1}, "object": []}}]}', '{"source": "aws.s3"}',
        '{"Type": "Notification", "Message": "hello"}', '{"Event": "s3:Other"}', "[" * 100_000,
    ],
)  # fmt: skip
def test_foreign_messages_are_told_apart_with_a_reason(body):
    message = parse_message(body)
    assert message.events == ()
    assert message.foreign.endswith(".")


def test_a_message_with_one_bad_record_gives_the_good_ones_and_is_kept_aside_too():
    message = parse_message(told(record("good"), {"eventName": "ObjectCreated:Put"}))
    assert [event.key for event in message.events] == ["good"]
    assert message.foreign


def test_the_longer_sequencer_does_not_win_by_its_length():
    early, late = ObjectEvent("b", "k", "created", "0055AE"), ObjectEvent("b", "k", "removed", "0056")  # fmt: skip
    assert newest([early, late]) == newest([late, early]) == {"s3://b/k": late}


def test_a_prefix_ends_at_a_slash():
    assert within(ObjectEvent("b", "docs/a", "created"), [("b", "docs/")])
    assert not within(ObjectEvent("b", "docs2/a", "created"), [("b", "docs/")])
    assert not within(ObjectEvent("other", "docs/a", "created"), [("b", "docs/")])
    assert within(ObjectEvent("b", "any", "created"), [("b", "")])


@given(st.text(min_size=1).filter(lambda key: key.isprintable()))
def test_every_key_survives_its_encoding(key):
    assert parse_message(told(record(quote_plus(key)))).events[0].key == key


@given(st.text() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner)
    | st.dictionaries(st.sampled_from(["Records", "s3", "bucket", "name", "object", "key", "eventName", "Type", "Message", "source", "detail"]), inner),
).map(json.dumps))  # fmt: skip
def test_no_body_breaks_the_reader(body):
    message = parse_message(body)
    assert message.events or message.foreign or '"Records": []' in body


EVENTS = st.lists(
    st.builds(
        ObjectEvent,
        st.just("b"),
        st.sampled_from("abc"),
        st.sampled_from(["created", "removed", "other"]),
        st.sampled_from(["", "1", "10", "1F", "2"]),
    )
)


@given(EVENTS, st.randoms())
def test_neither_order_nor_repetition_changes_what_is_newest(events, random):
    shuffled = events + events[: len(events) // 2]
    random.shuffle(shuffled)

    def essence(found: dict[str, ObjectEvent]) -> set[tuple[str, str]]:
        return {(uri, event.kind) for uri, event in found.items()}

    assert essence(newest(shuffled)) == essence(newest(events))
