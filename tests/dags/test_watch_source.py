"""watch_source on a real S3 API and SQS, in this process and on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.dags.test_dags import run, states

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.xdist_group("airflow"),
]


class Cloud:
    """A bucket whose prefix `docs/` notifies a queue."""

    def __init__(self, endpoint: str) -> None:
        import boto3

        keys = {"aws_access_key_id": "t", "aws_secret_access_key": "t", "region_name": "us-east-1"}
        self.endpoint = endpoint
        self.s3 = boto3.client("s3", endpoint_url=endpoint, **keys)
        self.sqs = boto3.client("sqs", endpoint_url=endpoint, **keys)
        self.s3.create_bucket(Bucket="bucket")
        self.queue = self.sqs.create_queue(QueueName="q")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        rules = [{"Name": "prefix", "Value": "docs/"}]
        wanted = {
            "QueueArn": arn["Attributes"]["QueueArn"],
            "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
            "Filter": {"Key": {"FilterRules": rules}},
        }
        self.s3.put_bucket_notification_configuration(
            Bucket="bucket", NotificationConfiguration={"QueueConfigurations": [wanted]}
        )

    def put(self, key: str, text: str = "A document.") -> None:
        self.s3.put_object(Bucket="bucket", Key=key, Body=text.encode())

    def waiting(self) -> int:
        name = "ApproximateNumberOfMessages"
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=[name])
        return int(found["Attributes"][name])


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Iterator[Cloud]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    connected = {
        "conn_type": "aws", "login": "t", "password": "t",
        "extra": {"endpoint_url": f"http://{host}:{port}", "region_name": "us-east-1"},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_RAG_S3", json.dumps(connected))
    try:
        import urllib.request

        urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"")
        cloud = Cloud(f"http://{host}:{port}")
        watched = {"RAG_WATCH": "sqs", "RAG_WATCH_QUEUE": cloud.queue, "RAG_SOURCE_URI": "s3://bucket/docs"}  # fmt: skip
        for name, value in (environment | watched).items():
            monkeypatch.setenv(name, value)
        yield cloud
    finally:
        server.stop()


def collected(tasks: dict[str, Any]) -> dict[str, Any]:
    return dict(tasks["wake"][0].xcom_pull(task_ids="wake"))


def lake_files(environment: dict[str, str], pattern: str) -> list[Path]:
    return sorted(Path(environment["RAG_LAKE_URI"].removeprefix("file://")).glob(pattern))


def test_without_a_watch_the_dag_compares_a_listing_when_started_by_hand(
    dags, monkeypatch, environment, inbox
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _, tasks = run(dags["watch_source"])
    assert states(tasks, "wake") == {"skipped"}
    (inbox / "one.txt").write_text("The first document.")
    _, tasks = run(dags["watch_source"])
    assert states(tasks, "wake") == {"success"}


def test_without_a_watch_nothing_is_scheduled(dags):
    assert not dags["watch_source"].timetable.can_be_scheduled


def test_a_burst_becomes_one_event_and_leaves_the_queue_empty(dags, cloud, environment):
    for number in range(30):
        cloud.put(f"docs/{number} with+a space.md")
    cloud.put("docs/0 with+a space.md", "Overwritten.")
    cloud.s3.delete_object(Bucket="bucket", Key="docs/1 with+a space.md")
    state, tasks = run(dags["watch_source"])
    assert state == "success"
    assert states(tasks, "wake") == {"success"}
    found = collected(tasks)
    assert found["messages"] == 33, "32 events and the notification's test event"
    assert (found["created"] + found["removed"], found["foreign"]) == (30, 0)
    assert cloud.waiting() == 0
    [part] = lake_files(environment, "runs/*/events/*.json")
    assert "s3://bucket/docs/0 with+a space.md" in part.read_text()


def test_foreign_and_poisoned_messages_are_kept_aside_and_do_not_stop_the_others(
    dags, cloud, environment
):
    cloud.put("docs/a.md")
    for body in ("hello", '{"Records": [7]}', "hello"):
        cloud.sqs.send_message(QueueUrl=cloud.queue, MessageBody=body)
    _, tasks = run(dags["watch_source"])
    assert states(tasks, "wake") == {"success"}
    assert cloud.waiting() == 0
    kept = [json.loads(file.read_text()) for file in lake_files(environment, "events/foreign/*")]
    assert {each["body"] for each in kept} == {"hello", '{"Records": [7]}'}
    assert all(each["reason"] for each in kept)


def test_messages_stay_in_the_queue_when_the_lake_cannot_be_written(dags, cloud, environment):
    cloud.put("docs/a.md")
    lake = Path(environment["RAG_LAKE_URI"].removeprefix("file://"))
    lake.mkdir()
    (lake / "runs").write_text("in the way")
    state, _ = run(dags["watch_source"])
    assert state == "failed"
    (lake / "runs").unlink()
    hidden = "ApproximateNumberOfMessagesNotVisible"
    held = cloud.sqs.get_queue_attributes(QueueUrl=cloud.queue, AttributeNames=[hidden])
    assert int(held["Attributes"][hidden]) == 2


def test_an_event_below_a_prefix_that_uris_percent_encode_wakes_ingestion(dags, cloud, monkeypatch):
    monkeypatch.setenv("RAG_SOURCE_URI", "s3://bucket/docs/my%20folder%23")
    cloud.put("docs/my folder#/a.md")
    cloud.put("docs/my folder/elsewhere.md")
    _, tasks = run(dags["watch_source"])
    found = collected(tasks)
    assert (found["created"], found["elsewhere"]) == (1, 1)


def test_a_queue_that_does_not_exist_fails_at_once_by_name(dags, cloud, monkeypatch):
    monkeypatch.setenv("RAG_WATCH_QUEUE", cloud.queue + "-gone")
    state, tasks = run(dags["watch_source"])
    assert state == "failed"
    assert tasks["wake"][0].try_number == 1


def found_words(world: Any, *words: str) -> list[bool]:
    platform = world(**{name: os.environ[name] for name in os.environ if name.startswith("RAG_")})
    index = platform.live_index()
    return [bool(platform.store.search_text(index, word, 3)) for word in words]


def test_one_ingestion_takes_up_everything_that_stranded_events_told(dags, cloud, world):
    for word in ("alpha", "beta", "gamma"):
        cloud.put(f"docs/{word}.md", f"A document about {word}.")
        _, tasks = run(dags["watch_source"])  # whose event nobody receives
        assert states(tasks, "wake") == {"success"}
    state, _ = run(dags["ingest_documents"])
    assert state == "success"
    assert found_words(world, "alpha", "beta", "gamma") == [True, True, True]


def test_a_run_that_no_event_woke_finds_what_notifications_lost(dags, cloud, world):
    cloud.put("docs/kept.md", "A document about alpha.")
    cloud.put("docs/gone.md", "A document about beta.")
    run(dags["ingest_documents"])
    run(dags["watch_source"])
    _, tasks = run(dags["watch_source"])
    assert states(tasks, "wake") == {"skipped"}, "nothing was lost"
    cloud.s3.delete_object(Bucket="bucket", Key="docs/gone.md")
    cloud.sqs.purge_queue(QueueUrl=cloud.queue)
    _, tasks = run(dags["watch_source"])
    assert states(tasks, "wake") == {"success"}
    run(dags["ingest_documents"])
    assert found_words(world, "alpha", "beta") == [True, False]


def first_events(
    trigger: Any, count: int, between: Any = lambda: None, seconds: float = 20
) -> list[Any]:
    """The payloads of the trigger's first events; `between` is called after each."""

    async def read() -> list[Any]:
        payloads = []
        async for event in trigger.run():
            payloads.append(event.payload)
            between()
            if len(payloads) == count:
                break
        return payloads

    return asyncio.run(asyncio.wait_for(read(), timeout=seconds))


def test_the_queue_trigger_fires_again_until_somebody_takes_the_messages(airflow_home, cloud):
    trigger = import_module("rag_watch_triggers").QueueTrigger(cloud.queue, "rag_s3", 0.05)
    cloud.put("docs/a.md")
    trigger.silence = 0.05
    assert first_events(trigger, 3) == [{"messages": 2}] * 3
    assert cloud.waiting() == 2


class States(dict[str, Any]):
    async def aget(self, name: str, default: Any = None) -> Any:
        return self.get(name, default)

    async def aset(self, name: str, value: Any) -> None:
        self[name] = value


def test_the_prefix_trigger_fires_for_new_changed_and_removed_objects_and_not_otherwise(
    airflow_home, cloud
):
    trigger = import_module("rag_watch_triggers").PrefixTrigger(
        [["bucket", "docs/"]], "rag_s3", 0.05
    )
    trigger.asset_state_store = States()
    steps = iter(
        [
            lambda: cloud.put("docs/a.md"),
            lambda: cloud.put("docs/a.md", "changed"),
            lambda: cloud.s3.delete_object(Bucket="bucket", Key="docs/a.md"),
            lambda: None,
        ]
    )
    payloads = first_events(trigger, 4, between=lambda: next(steps)())
    assert [each["objects"] for each in payloads] == [0, 1, 1, 0]
    cloud.put("elsewhere/b.md")
    # The last event comes again, for nobody can know that it arrived; then there is silence.
    with pytest.raises(TimeoutError):
        first_events(trigger, 2, seconds=1)


def test_a_queue_that_was_deleted_and_made_again_is_heard_again(airflow_home, cloud):
    trigger = import_module("rag_watch_triggers").QueueTrigger(cloud.queue, "rag_s3", 0.05)
    cloud.sqs.delete_queue(QueueUrl=cloud.queue)
    asked = []

    def make_again() -> int:
        asked.append("")
        if len(asked) == 3:
            cloud.sqs.create_queue(QueueName="q")
            cloud.sqs.send_message(QueueUrl=cloud.queue, MessageBody="hello")
        return look()

    look, trigger._waiting = trigger._waiting, make_again
    assert first_events(trigger, 1) == [{"messages": 1}]
    assert len(asked) >= 3


class Broken(States):
    async def aget(self, name: str, default: Any = None) -> Any:
        raise ValueError("what is stored is no JSON")

    async def aset(self, name: str, value: Any) -> None:
        raise ConnectionError("the database is away")


@pytest.mark.parametrize("states", [Broken(), States(listing={"not": "a digest"})])
def test_the_prefix_trigger_outlives_a_memory_that_fails_and_fires_once_for_one_change(
    airflow_home, cloud, states
):
    trigger = import_module("rag_watch_triggers").PrefixTrigger(
        [["bucket", "docs/"]], "rag_s3", 0.05
    )
    trigger.asset_state_store = states
    steps = iter([lambda: cloud.put("docs/a.md"), lambda: None])
    payloads = first_events(trigger, 2, between=lambda: next(steps)())
    assert [each["objects"] for each in payloads] == [0, 1]
    with pytest.raises(TimeoutError):
        first_events(trigger, 2, seconds=1)


def test_the_prefix_trigger_pays_where_the_requester_has_to(airflow_home, cloud, monkeypatch):
    connection = json.loads(os.environ["AIRFLOW_CONN_RAG_S3"])
    connection["extra"]["extra_args"] = {"RequestPayer": "requester", "ServerSideEncryption": "x"}
    monkeypatch.setenv("AIRFLOW_CONN_RAG_S3", json.dumps(connection))
    trigger = import_module("rag_watch_triggers").PrefixTrigger(
        [["bucket", "docs/"]], "rag_s3", 0.05
    )
    asked = []
    monkeypatch.setattr(
        "botocore.client.BaseClient._make_api_call",
        lambda _, name, given: asked.append(given) or {},
    )
    assert trigger._listed()["objects"] == 0
    assert [each["RequestPayer"] for each in asked] == ["requester"]


def test_the_prefix_trigger_lists_what_a_percent_encoded_uri_names():
    from include.orchestration.watching import _trigger
    from include.settings import WatchSettings

    sources = ("s3://bucket/my%20docs%23", "s3://whole-bucket", "s3://bucket/a%2Fb")
    trigger = _trigger(WatchSettings("prefix", "", 5, 60, sources))
    assert trigger.places == [["bucket", "my docs#/"], ["whole-bucket", ""], ["bucket", "a/b/"]]


MODES = {
    "sqs": {"RAG_WATCH": "sqs", "RAG_WATCH_QUEUE": "https://sqs.eu-central-1.amazonaws.com/1/q"},
    "prefix": {"RAG_WATCH": "prefix"},
}


@pytest.mark.parametrize("mode", MODES)
def test_the_dag_parses_and_the_triggerer_finds_its_trigger_without_the_bundle(
    airflow_home, mode, monkeypatch, tmp_path
):
    code = (
        "import runpy, sys; sys.path.insert(0, sys.argv[1])\n"
        "dag = runpy.run_path(sys.argv[1] + '/dags/watch_source.py')['watch_source']()\n"
        "[asset] = dag.timetable.asset_condition.objects\n"
        "path, arguments = asset.watchers[0].trigger.serialize()\n"
        "print(path); print(arguments)"
    )
    for name, value in (MODES[mode] | {"RAG_SOURCE_URI": "s3://bucket/docs"}).items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(REPOSITORY)],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    path, arguments = done.stdout.strip().splitlines()[-2:]
    load = (
        "from airflow import settings; settings.initialize()  # as every Airflow process does\n"
        f"import rag_watch_triggers as found; print(found.{path.partition('.')[2]}(**{arguments}).serialize()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", load], capture_output=True, text=True, check=True,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.strip().splitlines()[-1] == path
