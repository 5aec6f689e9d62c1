"""The official OpenAI client, which knows nothing of this platform, asks it all the same."""

from __future__ import annotations

import openai  # noqa: TID253 - the client is what is tested
import pytest

from include.spending.ledger import today_utc

QUESTION = {"role": "user", "content": "What retries failing calls?"}
SAID = "It retries failing calls with a growing delay [1]."
KEY = "some-key-0123456789"


def client(here, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{here.url}/v1", api_key=key, max_retries=0, timeout=30)


def test_there_is_one_model(serve, lake):
    with client(serve()) as asked:
        assert [model.id for model in asked.models.list()] == ["rag"]
        assert asked.models.retrieve("rag").owned_by == "rag-data-platform"
        with pytest.raises(openai.NotFoundError, match="'gpt-4'"):
            asked.models.retrieve("gpt-4")


def test_a_completion_is_an_answer_with_its_sources(chatting, api):
    here = chatting()
    api.control(chat=[SAID])
    with client(here) as asked:
        found = asked.chat.completions.create(
            model="rag", messages=[QUESTION], temperature=0.3, max_tokens=5
        )
    (choice,) = found.choices
    text, _, sources = choice.message.content.partition("\n\nSources:\n")
    assert (text, choice.finish_reason) == (SAID, "stop")
    assert sources.startswith("[1] Retry: file:///")
    assert sources.endswith("/retry.md")
    told = found.model_extra["rag"]
    assert found.id == f"chatcmpl-{told['trace_id']}"
    (entry,) = here.platform.spending.ledger.entries(today_utc())
    assert entry.caller.task == "completions local"
    assert found.usage.total_tokens == entry.tokens.input + entry.tokens.output


def test_a_streamed_completion_is_the_same(chatting, api):
    here = chatting()
    api.control(chat=[SAID])
    with client(here) as asked:
        chunks = list(
            asked.chat.completions.create(
                model="rag",
                messages=[QUESTION],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        whole = asked.chat.completions.create(model="rag", messages=[QUESTION])
    said = [each.choices[0].delta.content or "" for each in chunks if each.choices]
    assert len(said) > 5
    assert "".join(said) == whole.choices[0].message.content
    assert len({each.id for each in chunks}) == 1
    assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage
    assert chunks[-2].model_extra["rag"]["citations"] == whole.model_extra["rag"]["citations"]
    assert len(api.rows()) == 1


def test_extracts_are_streamed_to_clients_like_any_answer(serve, lake):
    with client(serve()) as asked:
        chunks = list(asked.chat.completions.create(model="rag", messages=[QUESTION], stream=True))
    said = "".join(each.choices[0].delta.content or "" for each in chunks)
    assert "growing delay. [1]\n\nSources:\n[1]" in said


def test_earlier_messages_are_history_and_system_messages_instruct_nobody(chatting, api):
    here = chatting()
    asked_before = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": [{"type": "text", "text": "What retries calls?"}]},
        {"role": "assistant", "content": "Tenacity does [7]."},
    ]
    with client(here) as asked:
        found = asked.chat.completions.create(
            model="rag", messages=[*asked_before, {"role": "user", "content": "How long?"}]
        )
    system, question = api.rows()[-1]["messages"]
    assert "pirate" not in system["content"] + question["content"]
    assert "What retries calls?" in question["content"]
    assert "Tenacity does [7]." in question["content"]
    assert found.model_extra["rag"]["prompt"]["name"] == "chat"


def test_labels_and_filters_narrow_a_completion(serve, lake):
    here = serve(RAG_API_KEYS=f"{KEY}|hr")
    salaries = [{"role": "user", "content": "When are salaries paid?"}]
    with client(here, KEY) as asked:

        def answer(**extra):
            return asked.chat.completions.create(
                model="rag", messages=salaries, extra_body=extra
            ).choices[0].message.content  # fmt: skip

        assert "last day" in answer()
        assert "last day" not in answer(**{"as": []})
        assert "last day" not in answer(filter="title = 'Cache'")
        with pytest.raises(openai.PermissionDeniedError, match="'boss'"):
            answer(**{"as": ["boss"]})


def test_errors_are_those_that_the_client_knows(serve, lake, chatting, api):
    here = serve(RAG_API_KEYS=KEY)
    with client(here) as asked, pytest.raises(openai.AuthenticationError, match="RAG_API_KEYS"):
        asked.models.list()
    with client(here, KEY) as asked:
        create = asked.chat.completions.create
        with pytest.raises(openai.NotFoundError, match="'gpt-4'"):
            create(model="gpt-4", messages=[QUESTION])
        for wrong in (
            {"messages": [QUESTION], "n": 2},
            {"messages": [QUESTION, {"role": "assistant", "content": "x"}]},
            {"messages": [{"role": "user", "content": " "}]},
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        ):
            with pytest.raises(openai.BadRequestError):
                create(model="rag", **wrong)


def test_half_a_character_is_told_wherever_a_message_has_it(serve, lake):
    here = serve()
    broken, fine = '"a\\ud800b"', '"What retries failing calls?"'
    with here.client() as asked:
        part = f'[{{"type":"text","text":{broken}}}]'
        for first, last in ((fine, broken), (broken, fine), (fine, part)):
            messages = f'{{"role":"user","content":{first}}},{{"role":"user","content":{last}}}'
            answer = asked.post(
                "/v1/chat/completions",
                content=f'{{"model":"rag","messages":[{messages}]}}',
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["message"].startswith("messages.")


@pytest.mark.parametrize(
    "wanted",
    [
        {"stop": ["\n"]},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"functions": [{"name": "f", "parameters": {}}]},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        {"modalities": ["text", "audio"]},
    ],
)
def test_another_kind_of_answer_is_refused_by_name(serve, lake, wanted):
    with client(serve()) as asked, pytest.raises(openai.BadRequestError, match=next(iter(wanted))):
        asked.chat.completions.create(model="rag", messages=[QUESTION], **wanted)


def test_what_happens_anyway_may_be_asked_for(serve, lake):
    with client(serve()) as asked:
        found = asked.chat.completions.create(
            model="rag", messages=[QUESTION], n=1, stop=[], logprobs=False, modalities=["text"],
            response_format={"type": "text"}, temperature=0, max_tokens=7, user="somebody", seed=1,
        )  # fmt: skip
    assert found.choices[0].finish_reason == "stop"


def test_a_model_that_breaks_off_ends_the_stream_with_an_error(chatting, api):
    here = chatting()
    api.control(chat=["one two three four"], faults=["break"])
    with client(here) as asked:
        stream = asked.chat.completions.create(model="rag", messages=[QUESTION], stream=True)
        with pytest.raises(openai.APIError, match="these are extracts"):
            list(stream)
