"""Embeddings over HTTP: the official client against a server that fails in every known way."""

from __future__ import annotations

import json
import logging
import pickle
from decimal import Decimal

import numpy as np
import pytest

from include.embedding.openai import openai_identity
from include.errors import ConfigurationError, ModelError, TransientError
from include.remote.endpoint import Endpoint, find_endpoint
from include.spending.ledger import today_utc
from include.spending.limiter import Limiter, Rates, moving_windows
from tests.standin.running import KEY

TEXTS = ["one two three", "four five", "six"]


def entries(platform):
    return list(platform.spending.ledger.entries(today_utc()))


def test_vectors_are_unit_rows_in_the_order_of_the_texts(connected):
    embedder = connected().embedder
    vectors = embedder.embed_documents(TEXTS)
    assert vectors.shape == (3, 32)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert np.allclose(embedder.embed_query(text), vector, atol=1e-5)


def test_a_call_adds_no_line_of_the_http_client_to_the_log(connected, api, caplog):
    caplog.set_level(logging.INFO)
    connected().embedder.embed_documents(TEXTS)
    assert len(api.rows()) == 1
    assert "HTTP Request" not in caplog.text


def test_no_texts_are_no_request(connected, api):
    assert connected().embedder.embed_documents([]).shape == (0, 32)
    assert api.rows() == []


def test_requests_are_packed_by_inputs_and_by_tokens(connected, api):
    connected({"max_inputs": 2}).embedder.embed_documents(TEXTS)
    assert [row["input_tokens"] for row in api.rows()] == [5, 1]
    connected({"max_request_tokens": 4}).embedder.embed_documents(TEXTS)
    assert [row["input_tokens"] for row in api.rows()[2:]] == [3, 3]


def test_no_request_has_more_tokens_than_are_allowed_in_a_minute(connected, api, tmp_path):
    platform = connected()
    platform.spending.limiter = Limiter(
        Rates(tokens=4), lambda: moving_windows(None, tmp_path), window_seconds=1
    )
    platform.embedder.embed_documents(TEXTS)
    assert [row["input_tokens"] for row in api.rows()] == [3, 3]


def test_a_text_that_is_too_long_is_not_sent(connected, api):
    with pytest.raises(ModelError, match="reads 4"):
        connected({"max_input_tokens": 4}).embedder.embed_documents(["a b c d e"])
    assert api.rows() == []


def test_every_call_is_in_the_ledger_with_the_providers_tokens(connected, api):
    platform = connected()
    platform.embedder.embed_documents(TEXTS)
    (entry,) = entries(platform)
    (row,) = api.rows()
    assert (entry.id, entry.status, entry.tokens.input) == (row["id"], "ok", row["input_tokens"])
    assert entry.cost_usd == Decimal("0.00000012")
    assert entry.purpose.operation == "embed"
    assert not entry.tokens.counted
    assert "one two" not in json.dumps(entry.as_json())


def test_a_refusal_is_tried_again_after_what_the_server_asks(connected, api):
    api.control(faults=["429", "500"], retry_after="0.2")
    platform = connected()
    platform.embedder.embed_documents(["one"])
    found = entries(platform)
    assert [(each.status, each.retry, each.error) for each in found] == [
        ("refused", 0, "status 429"),
        ("refused", 1, "status 500"),
        ("ok", 2, ""),
    ]
    assert [each.cost_usd for each in found[:2]] == [0, 0]
    assert (found[1].at - found[0].at).total_seconds() >= 0.2


@pytest.mark.parametrize("fault", ["slow", "cut"])
def test_a_lost_answer_counts_as_paid_and_is_asked_for_again(connected, api, fault):
    api.control(faults=[fault])
    platform = connected({"timeout": 0.3})
    platform.embedder.embed_documents(["one two"])
    lost, found = entries(platform)
    assert (lost.status, lost.tokens.input, lost.tokens.counted) == ("unknown", 2, True)
    assert lost.cost_usd == found.cost_usd > 0
    assert {row["id"] for row in api.rows(charged=True)} == {lost.id, found.id}


@pytest.mark.parametrize("fault", ["408", "502", "504", "524"])
def test_what_a_gateway_gave_up_waiting_for_may_have_been_charged(connected, api, fault):
    api.control(faults=[fault], retry_after="0")
    platform = connected()
    platform.embedder.embed_documents(["one two"])
    lost, found = entries(platform)
    assert (lost.status, lost.error, lost.tokens.counted) == ("unknown", f"status {fault}", True)
    assert lost.cost_usd == found.cost_usd > 0


@pytest.mark.parametrize("fault", ["too few", "nan", "wrong dimensions", "html"])
def test_a_useless_answer_is_refused_and_in_the_ledger(connected, api, fault):
    api.control(faults=[fault])
    platform = connected()
    with pytest.raises(ModelError):
        platform.embedder.embed_documents(TEXTS)
    (entry,) = entries(platform)
    assert (entry.status, entry.tokens.input) == ("unusable", 6)


def test_half_an_answer_is_tried_again(connected, api):
    api.control(faults=["malformed"])
    platform = connected()
    assert platform.embedder.embed_documents(["one"]).shape == (1, 32)
    assert [each.status for each in entries(platform)] == ["unknown", "ok"]


def test_missing_usage_is_counted_here_and_marked(connected, api):
    api.control(faults=["no usage"])
    platform = connected()
    platform.embedder.embed_documents(TEXTS)
    (entry,) = entries(platform)
    assert (entry.status, entry.tokens.input, entry.tokens.counted) == ("ok", 6, True)


def test_a_request_that_cannot_be_right_is_not_repeated(connected, api):
    api.control(faults=["400"])
    with pytest.raises(ModelError, match="status 400"):
        connected().embedder.embed_documents(["one"])
    assert len(api.rows()) == 1


def test_a_server_that_is_down_costs_nothing_and_is_left_alone(connected):
    platform = connected({"base_url": "http://127.0.0.1:9/v1", "tries": 9})
    platform.remote._sleep = lambda _: None
    with pytest.raises(TransientError, match="failed 5 times in a row"):
        platform.embedder.embed_documents(["one"])
    found = entries(platform)
    assert [(each.status, each.error, each.cost_usd) for each in found] == [
        ("refused", "unreachable", 0)
    ] * 5


def test_an_unknown_price_is_refused_before_anything_is_sent(connected, api):
    platform = connected(RAG_EMBEDDER="openai:nobody-knows@32")
    with pytest.raises(ConfigurationError, match="rag_prices"):
        platform.embedder  # noqa: B018 - making it is the test
    assert api.rows() == []


def test_the_maintained_table_knows_openais_prices(connected):
    platform = connected(RAG_EMBEDDER="openai:text-embedding-3-small@256")
    assert platform.embedding_cost(1_000_000) == Decimal("0.02")
    assert platform.embedder.embed_documents(["one"]).shape == (1, 256)


def test_the_identity_does_not_depend_on_the_url_but_on_what_changes_vectors():
    here, there = Endpoint("http://a/v1", "k" * 9), Endpoint("http://b/v1", "l" * 9)
    one = openai_identity("text-embedding-3-small", here)
    assert one == openai_identity("text-embedding-3-small@1536", there)
    others = [
        openai_identity("text-embedding-3-small@512", here),
        openai_identity("text-embedding-3-small", Endpoint("http://a/v1", "", options={"revision": "2"})),
        openai_identity("text-embedding-3-small", Endpoint("http://a/v1", "", options={"query_prefix": "q: "})),
    ]  # fmt: skip
    assert len({each.id for each in (one, *others)}) == 4
    with pytest.raises(ConfigurationError, match="how many dimensions"):
        openai_identity("unknown-model", here)


def test_a_wrong_key_is_told_without_the_key(connected, api, caplog):
    api.control(key="sk-another")
    platform = connected()
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigurationError) as caught:
        platform.embedder.embed_documents(["one"])
    error: BaseException | None = caught.value
    told = caplog.text
    while error is not None:
        told += repr(error) + str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    told += repr(platform.remote.endpoint) + repr(platform.deployment.connection("openai_default"))
    told += repr(vars(platform)) + json.dumps([each.as_json() for each in entries(platform)])
    assert "does not accept the key" in told
    assert KEY not in told
    assert KEY.encode() not in pickle.dumps(caught.value)


def test_a_missing_connection_says_what_to_create(connected):
    platform = connected(AIRFLOW_CONN_OPENAI_DEFAULT="")
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_OPENAI_DEFAULT"):
        platform.embedder  # noqa: B018 - making it is the test


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        ({"conn_type": "openai"}, "has no password"),
        ({"conn_type": "openai", "password": "k", "host": "http://u:p@h/v1"}, "without user"),
        ({"conn_type": "openai", "password": "k", "host": "http://h/v1?key=k"}, "or query in it"),
        ({"conn_type": "openai", "password": "sk-1234567\n"}, "a key of .* has 11"),
        ({"conn_type": "openai", "password": "sk-1 234567"}, "a key of"),
        ({"conn_type": "openai", "password": "sk-1234\u2013567"}, "a key of"),
        ({"conn_type": "openai", "password": "k", "extra": {"timeout": 0}}, "timeout from"),
        (
            {"conn_type": "openai", "password": "k", "extra": {"timout": 1}},
            "unknown entry 'timout'",
        ),
    ],
)
def test_an_impossible_connection_is_told(connected, connection, expected):
    platform = connected(AIRFLOW_CONN_OPENAI_DEFAULT=json.dumps(connection))
    with pytest.raises(ConfigurationError, match=expected) as caught:
        find_endpoint(platform.deployment)
    assert "sk-1" not in str(caught.value)
