"""What goes wrong with buckets: each as one sentence, and nothing lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from include.deployment import Connection
from include.errors import CommitConflictError, ConfigurationError, TransientError
from include.storage.lake import Lake
from include.storage.s3_client import S3Access
from include.storage.s3_objects import S3Objects
from include.storage.s3_place import S3Place
from include.storage.s3_source import S3Source
from tests.s3.stores import Store, served

PROXY = "tests.s3.bad_proxy"


@pytest.fixture(scope="module")
def forgetting(s3: Store):
    """A store that ignores the conditions of writes."""
    with served(PROXY, s3.endpoint, "unconditional", "0") as store:
        yield store


def test_a_store_that_ignores_conditions_is_refused_as_a_lake_and_left_empty(s3, forgetting):
    bucket = s3.bucket()
    with pytest.raises(ConfigurationError, match=r"ignores If-None-Match.*lose commits"):
        Lake(f"s3://{bucket}/lake", forgetting.access()).open()
    assert s3.access().client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_lake_moved_to_a_store_that_ignores_conditions_is_refused(s3, forgetting):
    uri = f"s3://{s3.bucket()}/lake"
    Lake(uri, s3.access()).open()
    with pytest.raises(ConfigurationError, match="ignores"):
        Lake(uri, forgetting.access()).open()


def test_the_proof_is_remembered_for_a_week(s3):
    lake = Lake(f"s3://{s3.bucket()}/lake", s3.access()).open()
    first = lake.objects.read("lake.json")
    lake.open()
    assert lake.objects.read("lake.json") == first
    layout = json.loads(first.data)
    long_ago = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    layout["conditional_writes"]["proven"] = long_ago
    lake.objects.write("lake.json", json.dumps(layout).encode())
    lake.open()
    assert (
        json.loads(lake.objects.read("lake.json").data)["conditional_writes"]["proven"] > long_ago
    )


def test_a_write_that_was_done_but_answered_503_is_not_taken_for_anothers(s3):
    place = S3Place(s3.bucket(), "lake/")
    with served(PROXY, s3.endpoint, "forgetful", "0.3") as proxy:
        store = S3Objects(place, proxy.access())
        etag = None
        for number in range(8):
            etag = store.write_if("count", str(number).encode(), etag)
    assert S3Objects(place, s3.access()).read("count").data == b"7"


def test_a_lost_race_is_told_although_the_write_was_repeated(s3):
    place = S3Place(s3.bucket(), "lake/")
    S3Objects(place, s3.access()).write("a", b"same")
    with served(PROXY, s3.endpoint, "busy", "0.3") as proxy:
        for _ in range(3):
            with pytest.raises(CommitConflictError):
                S3Objects(place, proxy.access()).write_if("a", b"same", None)


def _messages(store: Store, uri: str, **extra: Any) -> list[str]:
    """What opening a lake and listing a source there say."""
    said = []
    for act in (
        lambda: Lake(f"{uri}/lake", store.access(**extra)).open(),
        lambda: list(S3Source(f"{uri}/docs", store.access(**extra)).list()),
    ):
        with pytest.raises((ConfigurationError, TransientError)) as caught:
            act()
        said.append(str(caught.value))
    return said


def test_a_missing_bucket_is_named_with_what_to_do(s3):
    for message in _messages(s3, "s3://no-such-bucket"):
        assert "s3://no-such-bucket" in message
        assert "create the bucket" in message


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("denied", "policy"),
        ("expired", "new one into the connection"),
        ("website", "no S3 API"),
        ("stranger", "login of the connection rag_s3"),
        ("forged", "password of the connection rag_s3"),
        ("elsewhere", "region_name"),
        ("late", "clock"),
    ],
)
def test_a_refusal_is_one_sentence_with_what_to_do(s3, kind, said):
    bucket = s3.bucket()
    with served(PROXY, s3.endpoint, kind, "1") as proxy:
        for message in _messages(proxy, f"s3://{bucket}"):
            assert said in message
            assert "not-a-real-secret" not in message


def test_a_store_that_stays_busy_or_away_is_worth_a_later_try(s3):
    bucket, once = s3.bucket(), {"retries": {"mode": "standard", "total_max_attempts": 2}}
    with served(PROXY, s3.endpoint, "busy", "1") as proxy:
        for message in _messages(proxy, f"s3://{bucket}", config_kwargs=once):
            assert "busy" in message
    with pytest.raises(TransientError, match="endpoint_url"):
        Lake(f"s3://{bucket}/lake", proxy.access(config_kwargs=once)).open()


def test_a_sync_against_tables_that_cannot_be_reached_is_worth_a_later_try(s3):
    lake = Lake(f"s3://{s3.bucket()}/lake", s3.access()).open()
    with served(PROXY, s3.endpoint, "busy", "1") as proxy:
        access = proxy.access()
        access.native_options = lambda bucket: (
            s3.access().native_options(bucket)
            | {  # type: ignore[method-assign]
                "aws_endpoint": proxy.endpoint,
                "client_max_retries": "1",
            }
        )
        with pytest.raises(TransientError):
            Lake(lake.uri, access).database.open("documents")


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        (Connection("rag_s3", "http"), "conn_type 'aws'"),
        (Connection("rag_s3", "aws", extra={"endpoint_url": "localhost"}), "https://host:port"),
        (Connection("rag_s3", "aws", extra={"config_kwargs": []}), None),
        (Connection("rag_s3", "aws", extra={"config_kwargs": "x"}), "an object"),
        (Connection("rag_s3", "aws", extra={"config_kwargs": {"nonsense": 1}}), "nonsense"),
        (Connection("rag_s3", "aws", extra={"profile_name": "nobody"}), "nobody"),
        (
            Connection("rag_s3", "aws", login="a", password="secret-b",
                       extra={"role_arn": "arn:x", "assume_role_method": "saml"}),
            "assume_role",
        ),
    ],
)  # fmt: skip
def test_a_connection_that_cannot_be_used_says_what_to_correct(connection, said):
    if said is None:
        assert S3Access(connection).client
        return
    with pytest.raises(ConfigurationError, match=said) as caught:
        S3Access(connection).client  # noqa: B018
    assert "secret-b" not in str(caught.value)


def test_without_keys_the_connection_is_asked_for(monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_RAG_S3"):
        Lake("s3://bucket/lake").open()


def test_a_role_is_assumed_and_its_keys_reach_every_client(s3):
    role = {
        "role_arn": "arn:aws:iam::123456789012:role/rag",
        "service_config": {"sts": {"endpoint_url": s3.endpoint}},
        "assume_role_kwargs": {"ExternalId": "team"},
    }
    access = s3.access(**role)
    lake = Lake(f"s3://{s3.bucket()}/lake", access).open()
    options = access.native_options("bucket")
    assert options["aws_session_token"]
    assert options["aws_access_key_id"] != "AKIATEST"
    assert lake.database.names() == []


def test_arguments_for_every_call_reach_those_that_know_them(s3):
    access = s3.access(extra_args={"ServerSideEncryption": "AES256", "RequestPayer": "requester"})
    bucket = s3.bucket()
    S3Objects(S3Place(bucket, ""), access).write("a", b"x")
    assert access.client.head_object(Bucket=bucket, Key="a")["ServerSideEncryption"] == "AES256"
    options = access.native_options(bucket)
    assert options["aws_server_side_encryption"] == "AES256"
    assert options["aws_request_payer"] == "true"


def test_a_lake_with_a_key_of_ones_own_is_refused_for_lancedb_cannot_use_it(s3):
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0123456789abcdef0123456789abcdef"}
    access = s3.access(extra_args=key)
    with pytest.raises(ConfigurationError, match="aws:kms") as caught:
        access.native_options("bucket")
    assert key["SSECustomerKey"] not in str(caught.value)


@pytest.mark.parametrize(
    ("bucket", "extra", "endpoint", "virtual"),
    [
        ("docs", {}, None, "true"),
        ("docs.example.com", {}, None, "false"),
        ("docs.example.com", {"config_kwargs": {"s3": {"addressing_style": "virtual"}}}, None, "true"),
        ("docs", {"endpoint_url": "https://minio.example.com:9000"},
         "https://minio.example.com:9000", "false"),
        ("docs", {"endpoint_url": "https://bucket.vpce-1-a.s3.eu-central-1.vpce.amazonaws.com"},
         "https://bucket.vpce-1-a.s3.eu-central-1.vpce.amazonaws.com", "false"),
        ("docs", {"config_kwargs": {"use_fips_endpoint": True}},
         "https://s3-fips.eu-central-1.amazonaws.com", "false"),
        ("docs", {"config_kwargs": {"use_dualstack_endpoint": True}},
         "https://s3.dualstack.eu-central-1.amazonaws.com", "false"),
    ],
)  # fmt: skip
def test_lancedb_goes_where_boto3_goes(bucket, extra, endpoint, virtual):
    extra = {"region_name": "eu-central-1", **extra}
    access = S3Access(Connection("rag_s3", "aws", login="a", password="b", extra=extra))
    options = access.native_options(bucket)
    assert options.get("aws_endpoint") == endpoint
    assert options["aws_virtual_hosted_style_request"] == virtual
    assert access.store == (endpoint or "Amazon S3 (eu-central-1)")


def test_a_lost_answer_to_a_probe_does_not_make_the_store_unfit(s3):
    patient = {"retries": {"mode": "standard", "total_max_attempts": 20}}
    with served(PROXY, s3.endpoint, "forgetful", "0.4") as proxy:
        for _ in range(2):
            Lake(f"s3://{s3.bucket()}/lake", proxy.access(config_kwargs=patient)).open()


def test_a_bucket_whose_region_does_not_know_it_yet_is_worth_a_later_try(s3):
    bucket, once = s3.bucket(), {"retries": {"mode": "standard", "total_max_attempts": 2}}
    with served(PROXY, s3.endpoint, "new", "1") as proxy:
        for message in _messages(proxy, f"s3://{bucket}", config_kwargs=once):
            assert "try again later" in message


def test_tables_behind_a_website_are_not_taken_for_an_empty_lake(s3):
    uri = f"s3://{s3.bucket()}/lake"
    schema = pa.schema([pa.field("id", pa.string(), nullable=False)])
    Lake(uri, s3.access()).database.table("t", schema, "id").upsert(pl.DataFrame({"id": ["a"]}))
    with served(PROXY, s3.endpoint, "website", "1") as proxy:
        behind = Lake(uri, proxy.access()).database.table("t", schema, "id")
        with pytest.raises(ConfigurationError, match="no S3 API"):
            behind.read()
    assert Lake(uri, s3.access()).database.table("t", schema, "id").count() == 1
    assert Lake(uri, s3.access()).database.table("other", schema, "id").count() == 0


def test_a_lake_in_another_region_says_what_to_correct(s3):
    uri = f"s3://{s3.bucket()}/lake"
    said = pytest.raises(ConfigurationError, match="another region: correct region_name")
    with served(PROXY, s3.endpoint, "elsewhere", "1") as proxy, said:
        Lake(uri, proxy.access()).database.open("documents")
