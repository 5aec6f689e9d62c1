"""Embedding through the provider's batches: cheap, once, and whatever the batch comes to."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from include.documents import text_hash
from include.errors import ApprovalError, BudgetError, ConfigurationError, ModelError
from include.spending.prices import Prices, Tokens
from tests.spending.batching import (
    POLL,
    PRICE,
    Run,
    entries,
    left_of,
    paid_texts,
    require_paid_once,
    submitted,
    texts,
)


def test_a_batch_leaves_the_same_vectors_as_single_calls_at_half_the_price(connected, api):
    platform = connected(POLL)
    run = Run(platform, "one", texts(300))
    done = run.embed()
    assert (done.batches, done.left, run.cached()) == (1, 0, 300)
    assert Decimal(done.cost_usd) == 1_500 * PRICE / 2
    require_paid_once(api, platform)
    (entry,) = entries(platform)
    assert (entry.status, entry.requests, entry.tokens.counted) == ("ok", 2, False)
    embedder = platform.cached_embedder()
    vectors = embedder.embed_documents(run.wanted[:10])
    assert embedder.usage.embedded == 0
    assert np.allclose(vectors, platform.embedder.embed_documents(run.wanted[:10]), atol=1e-6)


def test_a_model_cut_to_fewer_dimensions_gets_its_whole_vectors_in_a_batch(connected, api):
    platform = connected(POLL, RAG_EMBEDDER="openai:text-embedding-3-small@256")
    run = Run(platform, "one", texts(5))
    assert (run.embed().left, run.cached()) == (0, 5)
    embedder = platform.cached_embedder()
    assert embedder.embed_documents(run.wanted).shape == (5, 256)
    assert embedder.usage.embedded == 0
    other = connected(POLL, RAG_EMBEDDER="openai:text-embedding-3-small")
    assert Run(other, "two", texts(5)).embed().batches == 0


def test_texts_in_the_cache_are_not_sent_and_again_nothing_is_submitted(connected, api):
    platform = connected(POLL)
    Run(platform, "one", texts(20)).embed()
    done = Run(connected(POLL), "two", texts(30), part=7).embed()
    assert (done.batches, done.left) == (1, 0)
    assert Run(connected(POLL), "three", texts(30)).embed().batches == 0
    assert sorted(paid_texts(api)) == sorted(texts(30))
    require_paid_once(api, platform)


def test_no_text_is_no_request(connected, api):
    assert Run(connected({"base_url": "http://127.0.0.1:9/v1"}), "one", []).embed().batches == 0


@pytest.mark.parametrize(
    ("limits", "batches"),
    [({"batch_inputs": 100}, 3), ({"batch_queue_tokens": 500}, 3), ({"max_inputs": 10}, 1)],
)
def test_texts_are_packed_within_the_providers_limits(connected, api, limits, batches):
    run = Run(connected(POLL | limits), "one", texts(300))
    assert (run.embed().batches, run.cached()) == (batches, 300)
    require_paid_once(api, run.platform)
    sizes = [len(row["texts"]) for row in api.rows(charged=True)]
    assert max(sizes) <= limits.get("max_inputs", 100 if batches == 3 else 256)


def test_no_more_tokens_wait_at_the_provider_than_its_queue_takes(connected, api):
    api.control(batch_seconds=3_600)
    run = Run(connected(POLL | {"batch_queue_tokens": 100}), "one", texts(40))
    first = run.step()
    assert (len(first.provider_ids), first.planned) == (1, 1)
    other = Run(connected(POLL | {"batch_queue_tokens": 100}), "two", texts(20, 40)).step()
    assert (other.provider_ids, other.planned) == (first.provider_ids, 1)
    api.control(batch_seconds=0)
    assert (run.embed().batches, run.cached()) == (2, 40)


def test_a_text_that_is_too_long_is_not_sent(connected, api):
    run = Run(connected(POLL | {"max_input_tokens": 4}), "one", texts(1))
    with pytest.raises(ModelError, match="reads 4"):
        run.embed()
    assert api.rows() == []


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_a_batch_answered_before_its_end_is_kept_and_the_rest_is_left(connected, api, end):
    api.control(batch_ends=[end], batch_answers=2)
    platform = connected(POLL | {"max_inputs": 10})
    run = Run(platform, "one", texts(50))
    done = run.embed()
    assert (done.left, run.cached()) == (30, 20)
    require_paid_once(api, platform)
    (entry,) = entries(platform)
    assert (entry.status, entry.error) == ("ok", f"batch {end}")
    assert list(platform.by_batch.work.records.unfinished()) == []
    platform.cached_embedder().embed_documents(run.wanted)
    assert run.cached() == 50
    again = Run(connected(POLL), "two", texts(50)).embed()
    assert again.batches == 0


def test_a_failed_batch_costs_nothing_and_a_later_run_may_submit_it_anew(connected, api):
    api.control(batch_ends=["failed"])
    budget = {"AIRFLOW_VAR_RAG_BUDGETS": '{"daily_usd": 1}'}
    platform = connected(POLL, **budget)
    run = Run(platform, "one", texts(50))
    assert (run.embed().left, api.rows()) == (50, [])
    (entry,) = entries(platform)
    assert (entry.status, entry.cost_usd, entry.error) == ("refused", 0, "batch failed")
    assert (left_of(platform, "day")["spent"], left_of(platform, "day")["reserved"]) == (0, {})
    assert run.embed().left == 50  # the same run leaves it to single calls
    assert Run(connected(POLL, **budget), "two", texts(50)).embed().left == 0
    require_paid_once(api, platform)


def test_a_request_that_failed_is_left_and_not_paid(connected, api):
    api.control(batch_fails=[1, 3])
    run = Run(connected(POLL | {"max_inputs": 10}), "one", texts(50))
    assert (run.embed().left, run.cached()) == (20, 30)
    require_paid_once(api, run.platform)
    records = run.platform.by_batch.work.records
    (key,) = run.artifacts.find_json("batch-api")
    assert records.read(key).failures == {"invalid_input": 2}


def test_a_budget_is_set_aside_before_and_settled_after(connected, api):
    api.control(batch_seconds=3_600)
    platform = connected(POLL, AIRFLOW_VAR_RAG_BUDGETS='{"daily_usd": 1}')
    run = Run(platform, "one", texts(100))
    run.step()
    (entry,) = entries(platform)
    assert entry.status == "reserved"
    assert Decimal(left_of(platform, "day")["reserved"][entry.id]) == 500 * PRICE / 2
    api.control(batch_seconds=0)
    run.embed()
    held = left_of(platform, "day")
    assert (held["spent"], held["reserved"]) == (500 * PRICE / 2, {})


def test_a_budget_that_does_not_suffice_stops_before_anything_is_submitted(connected, api):
    platform = connected(POLL, AIRFLOW_VAR_RAG_BUDGETS='{"daily_usd": "0.000001"}')
    run = Run(platform, "one", texts(100))
    for _ in range(2):
        with pytest.raises(BudgetError):
            run.embed()
    assert (api.rows(), entries(platform)) == ([], [])
    assert left_of(platform, "day")["reserved"] == {}
    assert Run(connected(POLL), "two", texts(100)).embed().left == 0
    require_paid_once(api, platform)


def test_a_budget_for_one_of_two_batches_pays_one_and_says_so_after_it(connected, api):
    api.control(batch_seconds=0.2)
    budget = {"AIRFLOW_VAR_RAG_BUDGETS": '{"daily_usd": "0.000006"}'}
    run = Run(connected(POLL | {"batch_inputs": 100}, **budget), "one", texts(200))
    with pytest.raises(BudgetError):
        run.embed()
    assert (run.cached(), len(submitted(api))) == (100, 1)
    require_paid_once(api, run.platform)


def test_what_a_budget_refused_is_nobody_elses_to_pay(connected, api):
    budget = {"AIRFLOW_VAR_RAG_BUDGETS": '{"daily_usd": "0.000001"}'}
    run = Run(connected(POLL, **budget), "one", texts(100))
    with pytest.raises(BudgetError):
        run.embed()
    assert list(run.by_batch.work.records.unfinished()) == []
    Run(connected(POLL), "two", texts(1)).embed()
    assert paid_texts(api) == texts(1)


def test_a_plan_that_was_not_carried_out_for_two_days_is_nobody_elses_to_pay(connected, api):
    platform = connected(POLL)
    work = platform.by_batch.work
    run = Run(platform, "one", texts(100))
    work.plan(
        [[(text_hash(each), each) for each in run.wanted]], lambda key, group: run.batches[0].uri
    )
    assert len(list(work.records.unfinished())) == 1
    Run(connected(POLL), "two", texts(1), later=timedelta(hours=49)).embed()
    assert paid_texts(api) == texts(1)
    assert list(work.records.unfinished()) == []


def test_an_endpoint_without_batches_is_told_and_nothing_is_spent(connected, api):
    api.control(has_batches=False)
    platform = connected(POLL)
    with pytest.raises(ConfigurationError, match="has no batches"):
        Run(platform, "one", texts(5)).embed()
    assert (api.rows(), entries(platform)) == ([], [])


def test_a_model_of_this_machine_has_no_batches(world):
    with pytest.raises(ConfigurationError, match="Only embedders behind an API"):
        world().by_batch  # noqa: B018 - asking for it is the test


def test_a_wrong_key_is_told_without_the_key_and_nothing_is_left_behind(connected, api):
    api.control(key="sk-another")
    platform = connected(POLL)
    with pytest.raises(ConfigurationError, match="does not accept the key"):
        Run(platform, "one", texts(5)).embed()
    api.control(key="")
    assert Run(platform, "one", texts(5)).embed().left == 0
    require_paid_once(api, platform)


def test_single_calls_for_the_rest_do_not_exceed_what_was_approved(connected, api):
    api.control(batch_ends=["expired"], batch_answers=1)
    limit = {"AIRFLOW_VAR_RAG_BUDGETS": '{"approval_usd": "0.000008"}'}
    run = Run(connected(POLL | {"max_inputs": 10}, **limit), "one", texts(100))
    with pytest.raises(ApprovalError, match="together more than was approved"):
        run.embed()
    assert run.cached() == 10


def test_texts_that_were_removed_meanwhile_are_given_up(connected, api):
    api.control(batch_seconds=3_600)
    platform = connected(POLL | {"batch_queue_tokens": 100})
    run = Run(platform, "one", texts(40))
    run.step()
    platform.artifacts("one").remove()
    api.control(batch_seconds=0)
    other = Run(connected(POLL), "two", texts(40))
    assert (other.embed().left, other.cached()) == (20, 20)
    assert Run(connected(POLL), "three", texts(40)).embed().left == 0
    require_paid_once(api, platform)


def test_nothing_of_it_stays_at_the_provider(connected, api):
    run = Run(connected(POLL), "one", texts(5))
    run.embed()
    client = run.platform.remote.client
    assert client.send("x", lambda made, _: list(made.batches.list()))[0].status == "completed"
    for number in range(1, 9):
        assert not run.by_batch.work.provider.remote.ask(
            lambda made, _, name=f"file-{number}": made.files.content(name), none_for=(404,)
        )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"input_per_million_usd": "2"}, "1.0"),
        ({"input_per_million_usd": "2", "batch_input_per_million_usd": "1.5"}, "1.5"),
        ({"input_per_million_usd": "0"}, "0"),
    ],
)
def test_a_batch_costs_half_unless_its_price_is_named(entry, expected):
    prices = Prices.parse(json.dumps({"m": entry}))
    now = datetime.now(UTC)
    assert prices.batch_cost("p", "m", Tokens(1_000_000), now) == Decimal(expected)
