"""Chat over HTTP: fallback, cache, ledger, answers nobody can use."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from include.errors import BudgetError, ConfigurationError, ModelError, TransientError
from include.llm.fake import ScriptedChat
from include.llm.protocol import ChatRequest, Message, Prompt
from include.llm.responses import LakeResponses
from include.spending.ledger import today_utc
from include.storage.objects import LocalObjects
from tests.standin.redis_server import redis_server

ASK = ChatRequest([Message("user", "one two three")], Prompt("p", "1", "h"), trace="t")
ONE = {"RAG_CHAT_MODEL": "openai:stand-in-chat"}
TWO = {"RAG_CHAT_MODEL": "openai:stand-in-chat, openai:stand-in-better"}


def entries(platform):
    return list(platform.spending.ledger.entries(today_utc()))


def test_an_answer_is_in_the_ledger_with_its_prompt_and_trace(connected, api):
    api.control(chat=["four five"])
    platform = connected(**ONE)
    answer = platform.chat_model.complete(ASK)
    assert (answer.text, answer.model) == ("four five", "openai:stand-in-chat")
    (entry,) = entries(platform)
    assert entry.cost_usd == answer.cost_usd == Decimal("0.00000165")
    assert (entry.tokens.input, entry.tokens.output) == (3, 2)
    purpose = entry.purpose
    assert (purpose.prompt, purpose.prompt_version, purpose.prompt_hash) == ("p", "1", "h")
    assert (purpose.trace, purpose.operation) == ("t", "chat")


def test_an_identical_request_is_asked_once_and_the_hit_is_free(connected, api):
    api.control(chat=["first", "second"])
    assert connected(**ONE).chat_model.complete(ASK).text == "first"
    platform = connected(**ONE)
    again = platform.chat_model.complete(ASK)
    assert (again.text, again.cached, again.cost_usd) == ("first", True, 0)
    assert [each.status for each in entries(platform)] == ["ok", "cached"]
    assert len(api.rows()) == 1


@pytest.mark.parametrize(
    "kept", ["[]", '{"expires": "x"}', '{"expires": 9e12, "value": [1]}',
             '{"expires": 9e12, "value": {"text": "first", "input_tokens": "many"}}'],
)  # fmt: skip
def test_a_stored_answer_that_is_damaged_is_asked_for_again(connected, api, kept):
    platform = connected(**ONE)
    platform.chat_model.complete(ASK)
    (path,) = platform.lake.objects.list("responses/")
    platform.lake.objects.write(path, kept.encode())
    assert not connected(**ONE).chat_model.complete(ASK).cached
    assert connected(**ONE).chat_model.complete(ASK).cached


@pytest.mark.parametrize(
    "other",
    [
        ChatRequest([Message("user", "one two four")], ASK.prompt),
        ChatRequest(ASK.messages, Prompt("p", "2", "h")),
        ChatRequest(ASK.messages, ASK.prompt, max_output_tokens=7),
        ChatRequest(ASK.messages, ASK.prompt, temperature=0.5),
        ChatRequest(ASK.messages, ASK.prompt, schema={"type": "object"}),
        ChatRequest([Message("system", "one two three")], ASK.prompt),
    ],
)
def test_what_differs_in_anything_is_another_request(connected, api, other):
    chat = connected(**ONE).chat_model
    chat.complete(ASK)
    assert not chat.complete(other).cached
    assert len(api.rows()) == 2


def test_the_cache_can_be_off_and_expires(connected, api, tmp_path):
    chat = connected(**ONE, RAG_RESPONSE_CACHE_SECONDS="0").chat_model
    assert not chat.complete(ASK).cached
    assert not chat.complete(ASK).cached
    now = [100.0]
    kept = LakeResponses(LocalObjects(tmp_path / "o"), lambda: now[0])
    kept.put("k", {"text": "x"}, 10)
    assert kept.get("k") == {"text": "x"}
    now[0] = 110.0
    assert kept.get("k") is None


def test_redis_keeps_answers_and_may_go_away(connected, api, tmp_path):
    with redis_server(tmp_path) as url:
        platform = connected(**ONE, RAG_REDIS_URL=url)
        platform.chat_model.complete(ASK)
        assert platform.chat_model.complete(ASK).cached
        assert platform.responses.clear() == 1
        assert not platform.chat_model.complete(ASK).cached
    assert not platform.chat_model.complete(ASK).cached
    assert list(platform.lake.objects.list("responses/")) == []


def test_the_next_model_answers_when_one_is_not_to_be_had(connected, api):
    api.control(refuse_models=["stand-in-chat"], chat=["from the better one"])
    platform = connected(**TWO)
    platform.remote._sleep = lambda _: None
    answer = platform.chat_model.complete(ASK)
    assert (answer.text, answer.model) == ("from the better one", "openai:stand-in-better")
    assert [(e.purpose.model, e.status) for e in entries(platform)] == [
        ("stand-in-chat", "refused"),
        ("stand-in-chat", "refused"),
        ("stand-in-better", "ok"),
    ]


@pytest.mark.parametrize("fault", ["400", "content_filter"])
def test_a_request_that_is_wrong_is_wrong_for_all(connected, api, fault):
    api.control(faults=[fault])
    with pytest.raises(ModelError):
        connected(**TWO).chat_model.complete(ASK)
    assert len(api.rows()) == 1


def test_when_no_model_is_to_be_had_it_is_transient(connected, api):
    api.control(chance={"503": 1.0}, retry_after="0")
    with pytest.raises(TransientError):
        connected({"tries": 3}, **TWO).chat_model.complete(ASK)


def test_a_cut_answer_says_so_and_is_not_kept(connected, api):
    api.control(faults=["length"])
    chat = connected(**ONE).chat_model
    assert chat.complete(ASK).finish_reason == "length"
    assert not chat.complete(ASK).cached


def test_a_question_that_was_withheld_counts_as_paid(connected, api):
    """Azure refuses it with status 400 after having read it, and charges that."""
    api.control(faults=["filtered"])
    platform = connected(**ONE)
    with pytest.raises(ModelError):
        platform.chat_model.complete(ASK)
    (entry,) = entries(platform)
    assert (entry.status, entry.tokens.input, entry.cost_usd > 0) == ("unknown", 11, True)


@pytest.mark.parametrize("said", ["many", -4, 1.5, [2], float("nan")])
def test_a_count_of_cached_tokens_that_is_none_changes_nothing(connected, api, said):
    api.control(chat=["four"], cached_tokens=said)
    platform = connected(**ONE)
    assert platform.chat_model.complete(ASK).text == "four"
    (entry,) = entries(platform)
    assert (entry.status, entry.tokens.input, entry.tokens.cached) == ("ok", 3, 0)


def test_cached_tokens_that_the_provider_tells_cost_what_they_cost(connected, api):
    prices = {"stand-in-chat": {"input_per_million_usd": 3, "cached_input_per_million_usd": 1}}
    api.control(chat=["four"], cached_tokens=2)
    platform = connected(**ONE, AIRFLOW_VAR_RAG_PRICES=json.dumps(prices))
    assert platform.chat_model.complete(ASK).cost_usd == Decimal("0.000005")


@pytest.mark.parametrize("fault", ["html", "content_filter"])
def test_an_answer_nobody_can_use_was_paid_all_the_same(connected, api, fault):
    api.control(faults=[fault])
    platform = connected(**ONE)
    with pytest.raises(ModelError):
        platform.chat_model.complete(ASK)
    (entry,) = entries(platform)
    assert entry.status == "unusable"
    assert entry.cost_usd > 0


def test_without_usage_the_most_it_can_have_cost_is_counted(connected, api):
    api.control(faults=["no usage"])
    platform = connected(**ONE)
    platform.chat_model.complete(ASK)
    (entry,) = entries(platform)
    assert (entry.tokens.counted, entry.tokens.output) == (True, ASK.max_output_tokens)


def test_the_budget_counts_the_longest_answer_before_it_is_asked_for(connected, api):
    platform = connected(**ONE, AIRFLOW_VAR_RAG_BUDGETS='{"daily_usd": 0.0005}')
    with pytest.raises(BudgetError):
        platform.chat_model.complete(ASK)
    assert api.rows() == []


def test_an_unknown_price_is_refused_before_anything_is_sent(connected, api):
    platform = connected(RAG_CHAT_MODEL="openai:stand-in-chat,openai:nobody-knows")
    with pytest.raises(ConfigurationError, match="nobody-knows"):
        platform.chat_model  # noqa: B018 - making it is the test


def test_the_scripted_model_answers_in_order_and_repeats_the_last():
    chat = ScriptedChat(["a", TransientError("x"), "b"])
    assert chat.complete(ASK).text == "a"
    with pytest.raises(TransientError):
        chat.complete(ASK)
    assert [chat.complete(ASK).text for _ in range(2)] == ["b", "b"]
    assert len(chat.requests) == 4
