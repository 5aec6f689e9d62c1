"""Files that a provider should not send: nothing wrong is stored, nothing paid is forgotten."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.batch_api.answers import Answer, charge, read_answer
from include.batch_api.records import BatchUpkeep, Record
from include.batch_api.requests import Request
from include.embedding.protocol import EmbedderIdentity
from include.errors import LakeError
from include.spending.reconcile import Used, reconcile
from tests.spending.batching import POLL, PRICE, Run, entries, require_paid_once, texts

IDENTITY = EmbedderIdentity("m", "w", 2)
REQUESTS = {"a": Request("a", ("h1", "h2"), 10), "b": Request("b", ("h3",), 4)}


def line(custom_id="a", *, status=200, data=None, usage=None, error=None) -> bytes:
    rows = [[1, 0], [0, 2]] if data is None else data
    body = {"data": [{"index": n, "embedding": row} for n, row in enumerate(rows)], "usage": usage}
    response = {"status_code": status, "body": body}
    return json.dumps({"custom_id": custom_id, "response": response, "error": error}).encode()


@pytest.mark.parametrize(
    ("faults", "cached", "status"),
    [
        (["no output"], 0, "unusable"),
        (["lost output"], 0, "unusable"),
        (["wrong ids"], 0, "unusable"),
        (["malformed"], 40, "ok"),
        (["shuffled"], 50, "ok"),
        (["nan"], 0, "unusable"),
        (["wrong dimensions"], 0, "unusable"),
        (["no usage"], 50, "ok"),
    ],
)
def test_what_cannot_be_used_is_paid_and_left_to_single_calls(
    connected, api, faults, cached, status
):
    api.control(batch_faults=faults)
    run = Run(connected(POLL | {"max_inputs": 10}), "one", texts(50))
    assert (run.embed().left, run.cached()) == (50 - cached, cached)
    require_paid_once(api, run.platform)
    (entry,) = entries(run.platform)
    assert (entry.status, entry.tokens.counted) == (status, faults == ["no usage"])


@pytest.mark.parametrize("fault", ["no output", "lost output", "wrong ids", "malformed"])
def test_lost_answers_without_a_sum_count_as_paid_by_our_count(connected, api, fault):
    api.control(batch_faults=[fault, "no usage"])
    run = Run(connected(POLL | {"max_inputs": 10}), "one", texts(50))
    run.embed()
    require_paid_once(api, run.platform)
    (entry,) = entries(run.platform)
    assert (entry.status, entry.tokens.counted) == ("unknown", True)


def test_a_batch_that_the_provider_forgot_counts_as_paid(connected, api):
    api.control(batch_seconds=3_600)
    run = Run(connected(POLL), "one", texts(50))
    run.step()
    api.control(begin=str(api.meter))
    assert run.embed().left == 50
    (entry,) = entries(run.platform)
    assert (entry.status, entry.cost_usd) == ("unknown", 250 * PRICE / 2)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (line(), (True, None, "")),
        (line(usage={"prompt_tokens": 7}), (True, 7, "")),
        (line(usage={"prompt_tokens": True}), (True, None, "")),
        (line(usage={"prompt_tokens": -1}), (True, None, "")),
        (line(usage="much"), (True, None, "")),
        (line(data=[[1, 0]]), (True, None, "unusable")),
        (line(data=[[1, 0], [0, 0]]), (True, None, "unusable")),
        (line(data=[[1, 0], [0, float("nan")]]), (True, None, "unusable")),
        (line(data=[[1, 0, 0], [0, 1, 0]]), (True, None, "unusable")),
        (line(data=["AAAA", "????"]), (True, None, "unusable")),
        (line(status=429, error={"code": "rate_limit"}), (False, None, "rate_limit")),
        (line(status=500), (False, None, "500")),
        (b'{"custom_id":"a","response":null,"error":{"code":"x y\\u0000"}}', (False, None, "other")),
    ],
)  # fmt: skip
def test_an_answer_is_vectors_or_a_failure(raw, expected):
    answer = read_answer(raw, REQUESTS, IDENTITY)
    assert answer is not None
    assert (answer.charged, answer.tokens, answer.failure) == expected
    assert (answer.vectors is not None) == (answer.charged and not answer.failure)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
                    lambda each: st.lists(each) | st.dictionaries(
                        st.sampled_from(["custom_id", "response", "error", "body", "data", "status_code"]) | st.text(),
                        each), max_leaves=12))  # fmt: skip
def test_no_line_breaks_the_reader(value):
    for held in (value, {"custom_id": "a", "response": value}, {"custom_id": "b", "error": value},
                 {"custom_id": "a", "response": {"status_code": 200, "body": value}}):  # fmt: skip
        answer = read_answer(json.dumps(held).encode(), REQUESTS, IDENTITY)
        assert answer is None or answer.vectors is None
    assert read_answer(b"\xff{", REQUESTS, IDENTITY) is None


@pytest.mark.parametrize(
    ("seen", "completed", "usage", "expected"),
    [
        ([], 0, None, ("refused", 0, False)),
        ([Answer("a", False, failure="x")], 0, None, ("refused", 0, False)),
        ([Answer("a", True, 9)], 1, None, ("ok", 9, False)),
        ([Answer("a", True, 9)], 1, {"input_tokens": 8}, ("ok", 8, False)),
        ([Answer("a", True, 9)], 1, {"input_tokens": 0}, ("ok", 9, False)),
        ([Answer("a", True, None)], 1, None, ("ok", 10, True)),
        ([Answer("a", True, 9)], 2, None, ("unknown", 13, True)),
        ([], 1, None, ("unknown", 10, True)),
        ([], 2, {"input_tokens": 12}, ("unusable", 12, False)),
        ([Answer("a", True, 9, failure="unusable")], 1, None, ("unusable", 9, False)),
        ([Answer("a", True, 9), Answer("b", False, failure="x")], 1, None, ("ok", 9, False)),
    ],
)
def test_the_providers_sum_counts_then_its_requests_then_ours(seen, completed, usage, expected):
    found = charge(REQUESTS, {each.custom_id: each for each in seen}, completed, usage)
    assert (found.status, found.tokens.input, found.tokens.counted) == expected
    assert charge(REQUESTS, {}, 0, SimpleNamespace(input_tokens="12")).status == "refused"


def test_a_batch_is_as_many_requests_as_the_provider_counts(connected, api):
    run = Run(connected(POLL | {"max_inputs": 10}), "one", texts(50))
    run.embed()
    (entry,) = entries(run.platform)
    export = {(entry.at.date().isoformat(), "stand-in-embed"): Used()}
    (theirs,) = export.values()
    for row in api.rows(charged=True):
        theirs.add("requests", 1)
        theirs.add("input_tokens", row["input_tokens"])
    assert reconcile(export, [entry])["agrees"]


def test_maintenance_forgets_what_is_over_and_nothing_in_flight(connected, api):
    api.control(batch_seconds=3_600)
    platform = connected(POLL)
    run = Run(platform, "one", texts(5))
    run.step()
    records = platform.by_batch.work.records
    old = Record("old-1", "over", datetime.now(UTC) - timedelta(days=9), "", ())
    young = Record("young-1", "over", datetime.now(UTC), "", ())
    records.put(old)
    records.put(young)
    BatchUpkeep(platform.lake.objects).optimize(timedelta(days=7))
    BatchUpkeep(platform.lake.objects).optimize(timedelta(days=7))
    assert (records.read("old-1"), records.read("young-1").state) == (None, "over")
    assert len(list(records.unfinished())) == 1
    BatchUpkeep(platform.lake.objects).optimize(timedelta(seconds=-9))
    assert len(list(records.unfinished())) == 1


def test_a_damaged_record_is_told_and_not_overwritten(connected, api):
    platform = connected(POLL)
    work = platform.by_batch.work
    path = f"batches/{platform.embedder.identity.id}/x-1.json"
    platform.lake.objects.write(path, b'{"key": "x-1"')
    with pytest.raises(LakeError, match=r"x-1\.json"):
        work.records.read("x-1")
    with pytest.raises(LakeError, match=r"x-1\.json"):
        Run(platform, "one", texts(5)).embed()
    assert api.rows() == []
