"""Airflow's connections in the environment: what the command line knows of them."""

import json

import pytest

from include.deployment import Connection, EnvironmentDeployment
from include.errors import ConfigurationError


def deployment(value: str) -> EnvironmentDeployment:
    return EnvironmentDeployment({"AIRFLOW_CONN_RAG_S3": value})


@pytest.mark.parametrize("as_text", [False, True])
def test_a_json_connection_is_read(as_text: bool) -> None:
    extra = {"endpoint_url": "http://127.0.0.1:9000"}
    value = {
        "conn_type": "aws", "login": "key", "password": "se/cret", "port": "9000",
        "extra": json.dumps(extra) if as_text else extra,
    }  # fmt: skip
    found = deployment(json.dumps(value)).connection("rag_s3")
    assert found == Connection(
        "rag_s3", "aws", port=9000, login="key", password="se/cret", extra=extra
    )


def test_a_uri_connection_is_read_as_airflow_reads_it() -> None:
    from airflow.sdk import Connection as AirflowConnection

    uri = "aws://key:se%2Fcret@h.example:81/base?region_name=eu-central-1"
    ours, theirs = deployment(uri).connection("rag_s3"), AirflowConnection.from_uri(uri, "rag_s3")
    assert ours is not None
    for name in ("host", "port", "login", "password", "schema"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.extra == theirs.extra_dejson


def test_no_connection_is_none() -> None:
    assert deployment("").connection("rag_s3") is None


@pytest.mark.parametrize(
    "value", ['{"extra": 3}', "{", "no scheme", "aws://h:port", "aws://?__extra__=[]"]
)
def test_an_unreadable_connection_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_RAG_S3") as refused:
        deployment(value).connection("rag_s3")
    assert value not in str(refused.value)


def test_a_connection_shows_no_secret() -> None:
    held = Connection("c", "aws", login="AKIA", password="hidden", extra={"session": "hidden"})
    assert "hidden" not in repr(held)
    assert "AKIA" not in repr(held)
