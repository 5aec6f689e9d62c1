"""Chat heard while it is written: paid like any call, and never said twice."""

from __future__ import annotations

import pytest

from include.errors import BudgetError, ModelError
from include.llm.fake import ScriptedChat
from include.llm.protocol import ChatRequest, Message, Prompt
from include.spending.ledger import today_utc

ASK = ChatRequest([Message("user", "one two three")], Prompt("p", "1", "h"))
ONE = {"RAG_CHAT_MODEL": "openai:stand-in-chat"}
TWO = {"RAG_CHAT_MODEL": "openai:stand-in-chat, openai:stand-in-better"}


def entries(platform):
    return list(platform.spending.ledger.entries(today_utc()))


def test_what_is_heard_makes_up_the_answer_and_costs_the_same(connected, api):
    api.control(chat=["four  five\nsix", "four  five\nsix"])
    heard: list[str] = []
    streamed = connected(**ONE, RAG_RESPONSE_CACHE_SECONDS="0")
    answer = streamed.chat_model.complete(ASK, heard=heard.append)
    assert heard == ["four  ", "five\n", "six"]
    whole = connected(**ONE, RAG_RESPONSE_CACHE_SECONDS="0").chat_model.complete(ASK)
    assert (answer.text, answer.cost_usd, answer.output_tokens) == (
        whole.text, whole.cost_usd, whole.output_tokens)  # fmt: skip
    first, second = entries(streamed)
    assert (first.status, first.tokens, first.answered_by) == ("ok", second.tokens, "stand-in-chat")


def test_a_stored_answer_is_heard_at_once_and_is_the_same_for_both_ways(connected, api):
    platform, heard = connected(**ONE), []
    said = platform.chat_model.complete(ASK, heard=heard.append).text
    again: list[str] = []
    assert platform.chat_model.complete(ASK, heard=again.append).cached
    assert (again, "".join(heard)) == ([said], said)
    assert platform.chat_model.complete(ASK).cached
    assert len(api.rows()) == 1


def test_a_stream_without_usage_is_counted_here_at_the_most_it_can_be(connected, api):
    api.control(faults=["no usage"], chat=["four five"])
    platform = connected(**ONE)
    platform.chat_model.complete(ASK, heard=lambda _: None)
    (entry,) = entries(platform)
    assert (entry.status, entry.tokens.counted) == ("ok", True)
    assert entry.tokens.output == ASK.max_output_tokens


@pytest.mark.parametrize("fault", ["503", "429", "slow", "cut", "html"])
def test_what_fails_before_a_word_is_tried_again(connected, api, fault):
    api.control(faults=[fault], chat=["lost", "kept"] if fault in ("slow", "cut", "html") else ["kept"],
                retry_after="0", slow_seconds=1.5)  # fmt: skip
    platform, heard = connected(**ONE), []
    assert platform.chat_model.complete(ASK, heard=heard.append).text == "kept"
    assert heard == ["kept"]
    assert len(entries(platform)) == 2


@pytest.mark.parametrize(("fault", "kind"), [("break", "connection"), ("error event", "malformed")])
def test_what_breaks_off_after_a_word_is_not_tried_again_nor_elsewhere(connected, api, fault, kind):
    api.control(faults=[fault], chat=["one two three four"])
    platform, heard = connected(**TWO), []
    with pytest.raises(ModelError, match="broke off in the middle"):
        platform.chat_model.complete(ASK, heard=heard.append)
    assert heard == ["one ", "two "]
    (entry,) = entries(platform)
    assert (entry.status, entry.error) == ("unknown", f"{kind} in the middle")
    assert entry.tokens.output == ASK.max_output_tokens
    assert len(api.rows()) == 1


def test_the_next_model_is_heard_when_the_first_is_down(connected, api):
    api.control(refuse_models=["stand-in-chat"], chat=["kept"])
    heard: list[str] = []
    answer = connected(**TWO).chat_model.complete(ASK, heard=heard.append)
    assert (answer.model, heard) == ("openai:stand-in-better", ["kept"])


@pytest.mark.parametrize("fault", ["length", "content_filter"])
def test_the_reason_to_stop_is_told_as_without_a_stream(connected, api, fault):
    api.control(faults=[fault], chat=["one two"])
    chat = connected(**ONE).chat_model
    if fault == "length":
        assert chat.complete(ASK, heard=lambda _: None).finish_reason == "length"
    else:
        with pytest.raises(ModelError, match="content_filter"):
            chat.complete(ASK, heard=lambda _: None)


def test_a_budget_that_is_used_up_lets_nothing_be_heard(connected, api):
    platform = connected(**ONE, AIRFLOW_VAR_RAG_BUDGETS='{"daily_usd": 0}')
    with pytest.raises(BudgetError):
        platform.chat_model.complete(ASK, heard=pytest.fail)
    assert api.rows() == []


def test_the_scripted_model_is_heard_line_by_line():
    heard: list[str] = []
    assert ScriptedChat(["a\nb"]).complete(ASK, heard=heard.append).text == "".join(heard) == "a\nb"
    assert len(heard) == 2
