"""A question gets the answer that another got which asks the same, and in no other case."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from include.answering import asking as asking_
from include.answering.asking import Asking, answerer, find_trace
from include.answering.batches import IN_BATCHES, answer_batch, collect, plan
from include.answering.questions import Asked
from include.commands.erase import erase
from include.commands.ingest import Switches, sync
from include.commands.main import main
from include.commands.query import trace
from include.indexes import Narrowing
from include.retrieval.conversation import Turn
from include.spending.ledger import today_utc
from tests.small_lake import write
from tests.spending.conftest import CHAT as SPENDING_CHAT
from tests.spending.conftest import DOCUMENTS
from tests.standin.redis_server import redis_server

CHAT = SPENDING_CHAT | {"RAG_SEMANTIC_CACHE": "0.85"}
ASKED = "What retries failing calls?"
ALIKE = "What retries the failing calls?"


PLAIN, FRESH = Asking(3), Asking(3, fresh=True)


@pytest.fixture
def filled(filled):
    """The small lake, with answers that are shared."""
    return lambda **changed: filled(**(CHAT | changed))


@pytest.fixture
def synced(connected, inbox):
    """The same from a source of the test's own, which can change."""
    write(inbox, DOCUMENTS)
    sync(connected(**CHAT))
    return lambda **changed: connected(**(CHAT | changed))


def ask(platform, question=ASKED, asking=PLAIN):
    return asking_.ask(platform, answerer(platform, asking), question, asking)


def entries(platform):
    return list(platform.spending.ledger.entries(today_utc()))


def test_a_question_that_asks_the_same_gets_the_answer_free_and_says_from_where(filled, api):
    api.control(chat=["It retries failing calls [1]."])
    first, second = ask(filled()), ask(other := filled(), ALIKE)
    assert len(api.rows()) == 1
    assert (second.answer.cached_from, second.cached_question) == (first.trace_id, ASKED)
    assert 0.85 <= second.answer.cosine < 1
    assert (first.answer.cached_from, first.answer.cosine, first.cached_question) == ("", None, "")
    same = ("answer", "citations", "model", "prompt", "index")
    assert all(getattr(first.answer, name) == getattr(second.answer, name) for name in same)
    assert (second.answer.cost_usd, second.answer.usage["from_cache"]) == (0, 1)
    assert second.trace_id not in ("", first.trace_id)
    assert find_trace(other, second.trace_id) == json.loads(json.dumps(second.as_json()))
    assert second.hits == first.hits


def test_the_hit_is_in_the_ledger_at_no_cost_with_prompt_and_trace(filled, api):
    first, second = ask(platform := filled()), ask(platform, ALIKE)
    paid, hit = entries(platform)
    assert (paid.status, hit.status, hit.cost_usd) == ("ok", "cached", 0)
    assert (paid.purpose.trace, hit.purpose.trace) == (first.trace_id, second.trace_id)
    assert hit.tokens == replace(paid.tokens, cached=0)
    one, two = (replace(each.purpose, content="", trace="") for each in (paid, hit))
    assert one == two


def test_it_is_off_unless_asked_for(filled, api):
    platform = filled(RAG_SEMANTIC_CACHE="0")
    ask(platform)
    ask(platform, ALIKE)
    assert len(api.rows()) == 2
    assert list(platform.lake.objects.list("similar/")) == []


@pytest.mark.parametrize(
    "question",
    [
        "What keeps results in memory?",  # far
        "What retries failing calls 2?",
        "What does not retry failing calls?",
        "Which calls retries failing?",
        'What "retries" failing calls',
    ],
)
def test_another_question_is_asked(filled, api, question):
    ask(platform := filled(RAG_SEMANTIC_CACHE="0.8"))
    assert not ask(platform, question).answer.cached_from
    assert len(api.rows()) == 2


VERSIONS = {
    "answer": {
        "versions": [
            {"version": "2", "template": "{{ passages | tojson }} {{ question }}"},
            {"version": "3", "template": "{{ passages | tojson }} {{ question }}!"},
        ],
    }
}


def as_reader(*labels):
    return Asking(3, Narrowing(principals=labels))


DIFFERENT = {
    "nothing": ({}, PLAIN),
    "the filter": ({}, Asking(3, Narrowing(filter="year >= 2024"))),
    "another filter": ({}, Asking(3, Narrowing(filter="year >= 2023"))),
    "labels": ({}, as_reader("staff")),
    "no labels": ({}, as_reader()),
    "more labels": ({}, as_reader("staff", "board")),
    "k": ({}, Asking(2)),
    "distinct documents": ({"RAG_DEDUPLICATE_RESULTS": "true"}, PLAIN),
    "the prompt's version": ({}, Asking(3, prompt="3")),
    "the prompt's text": ({}, Asking(3, prompt="2")),
    "the model": ({"RAG_CHAT_MODEL": "openai:stand-in-better"}, PLAIN),
    "the fallback": ({"RAG_CHAT_MODEL": "openai:stand-in-chat,openai:stand-in-better"}, PLAIN),
}


def test_whatever_else_differs_in_anything_is_asked(filled, api):
    variable = {"AIRFLOW_VAR_PROMPT_TEMPLATES": json.dumps(VERSIONS)}
    for what, (settings, asking) in DIFFERENT.items():
        platform = filled(**variable, **settings)
        first, second = (ask(platform, asked, asking).answer for asked in (ASKED, ALIKE))
        assert (what, first.cached_from) == (what, "")
        assert (what, second.cached_from) == (what, first.trace_id)
    assert platform.questions.clear() == len(DIFFERENT)


def test_distinct_documents_by_setting_or_by_asking_are_the_same(filled, api):
    ask(filled(RAG_DEDUPLICATE_RESULTS="true"))
    assert ask(filled(), ALIKE, Asking(3, Narrowing(distinct=True))).answer.cached_from


def test_lakes_that_share_a_redis_share_no_answers(filled, api, tmp_path):
    with redis_server(tmp_path) as url:
        ask(filled(RAG_REDIS_URL=url))
        shutil.copytree(tmp_path / "lake", tmp_path / "copy")
        other = filled(RAG_REDIS_URL=url, RAG_LAKE_URI=(tmp_path / "copy").as_uri())
        assert not ask(other, ALIKE).answer.cached_from


def test_labels_are_a_set(filled, api):
    ask(filled(), ASKED, as_reader("staff", "board"))
    assert ask(filled(), ALIKE, as_reader("board", "staff", "board")).answer.cached_from


def test_an_answer_ends_with_the_state_of_the_documents(synced, api, inbox):
    ask(synced())
    sync(synced())  # nothing changed
    assert ask(synced(), ALIKE).answer.cached_from
    (inbox / "new.md").write_text("# New\n\nA new document about something else.\n")
    sync(synced())
    assert not ask(synced(), ALIKE).answer.cached_from
    assert ask(synced(), ASKED).answer.cached_from
    (inbox / "new.md").unlink()
    sync(synced())
    assert not ask(synced(), ALIKE).answer.cached_from


def test_an_answer_ends_with_its_index(synced, api):
    platform = synced()
    ask(platform)
    first = platform.live_index()
    sync(synced(RAG_CHUNK_TOKENS="30"), Switches(rebuild=True))
    assert platform.live_index() != first
    assert not ask(synced(), ALIKE).answer.cached_from
    platform.registry.rollback()
    assert ask(synced(), ALIKE).answer.cached_from == ""  # the manifest is another one


def test_an_answerer_made_before_a_switch_shares_with_its_own_index_only(synced, api):
    platform = synced()
    who = answerer(platform, PLAIN)
    sync(synced(RAG_CHUNK_TOKENS="30"), Switches(rebuild=True))
    ask(synced())
    assert not asking_.ask(platform, who, ALIKE, PLAIN).answer.cached_from


def test_answers_that_leave_something_to_be_desired_are_not_shared(filled, api):
    api.control(chat=["No citation.", "True [1][9].", "It [1]"], faults=["", "", "length", "400"])
    platform = filled()
    platform.remote._sleep = lambda _: None
    answers = [ask(platform, ASKED + " " * n) for n in range(4)]
    assert [bool(each.answer.problems) for each in answers] == [True] * 4
    assert answers[3].answer.model == "extractive"
    assert platform.questions.clear() == 0


def test_an_answer_of_the_second_choice_is_not_shared(filled, api):
    api.control(refuse_models=["stand-in-chat"], chat=["It retries [1]."])
    platform = filled(RAG_CHAT_MODEL="openai:stand-in-chat,openai:stand-in-better")
    platform.remote._sleep = lambda _: None
    assert ask(platform).answer.model == "openai:stand-in-better"
    assert platform.questions.clear() == 0


def test_a_shared_answer_is_not_shared_on(filled, api):
    ask(platform := filled())
    ask(platform, ALIKE)
    assert platform.questions.clear() == 1


def test_extracts_are_never_looked_for(filled, api):
    platform = filled(RAG_CHAT_MODEL="none")
    assert asking_.similar(platform, answerer(platform), ASKED, Asking()) is None
    ask(platform)
    assert platform.questions.clear() == 0


def test_a_question_that_is_too_long_is_answered_and_not_kept(filled, api):
    platform = filled()
    trace = ask(platform, "What retries failing calls? " * 100)
    assert trace.answer.model == "openai:stand-in-chat"
    assert platform.questions.clear() == 0


def test_a_citation_that_is_no_longer_in_the_index_ends_the_answer(filled, api):
    platform = filled()
    first = ask(platform)
    path = f"traces/{first.trace_id}.json"
    for name, value in (("chunk_id", "gone"), ("version", "older")):
        held = json.loads(platform.lake.objects.read(path).data)
        held["answer"]["citations"][0][name] = value
        platform.lake.objects.write(path, json.dumps(held).encode())
        assert not ask(platform, ALIKE, PLAIN).answer.cached_from
        platform.questions.clear()
        first = ask(platform, ASKED, FRESH)
        path = f"traces/{first.trace_id}.json"


@pytest.mark.parametrize(
    "damage",
    [
        lambda held: b"nonsense",
        lambda held: b"[]",
        lambda held: json.dumps(held | {"question": "another"}).encode(),
        lambda held: json.dumps(held | {"answer": {}}).encode(),
        lambda held: json.dumps(held | {"hits": [{"unknown": 1}]}).encode(),
        lambda held: json.dumps(held | {"asked_at": "once"}).encode(),
        lambda held: json.dumps(held | {"answer": held["answer"] | {"usage": {}}}).encode(),
        lambda held: json.dumps(held | {"answer": held["answer"] | {"prompt": None}}).encode(),
    ],
)
def test_a_trace_that_is_damaged_is_no_answer(filled, api, damage):
    platform = filled()
    path = f"traces/{ask(platform).trace_id}.json"
    held = json.loads(platform.lake.objects.read(path).data)
    platform.lake.objects.write(path, damage(held))
    assert not ask(platform, ALIKE).answer.cached_from


def test_the_next_best_answers_where_the_best_is_gone(filled, api):
    platform = filled()
    older, newer = ask(platform), ask(platform, ASKED, FRESH)
    platform.lake.objects.delete(f"traces/{newer.trace_id}.json")
    assert ask(platform, ALIKE).answer.cached_from == older.trace_id


def test_the_latest_answer_to_a_question_counts(filled, api):
    platform = filled()
    ask(platform)
    platform.responses.clear()
    api.control(chat=["It does retry them [1]."])
    newer = ask(platform, ASKED, FRESH)
    assert ask(platform, ALIKE).answer.cached_from == newer.trace_id


def test_a_fresh_answer_and_a_replay_are_none_from_before(filled, api):
    platform = filled()
    first = ask(platform)
    assert not ask(platform, ALIKE, FRESH).answer.cached_from
    second = ask(platform, ALIKE)
    assert second.answer.cached_from
    for each in (first, second):
        again = trace(platform, each.trace_id, replay=True)["now"]
        assert again["answer"]["cached_from"] == ""


def test_whoever_listens_hears_a_shared_answer_too(filled, api):
    api.control(chat=["It retries failing calls [1]."])
    ask(platform := filled())
    words = []
    trace = asking_.ask(platform, answerer(platform, PLAIN), ALIKE, PLAIN, heard=words.append)
    assert trace.answer.cached_from
    assert words == ["It retries failing calls [1]."]


def test_a_turn_of_a_conversation_neither_finds_nor_leaves_an_answer(filled, api):
    ask(platform := filled())
    turn = Turn("What keeps results?", "The cache.", "")
    later = ask(platform, ALIKE, Asking(3, turns=(turn,)))
    assert not later.answer.cached_from
    assert platform.questions.clear() == 1


def test_a_question_is_embedded_once(filled, api):
    platform = filled()
    who = answerer(platform, PLAIN)
    asking_.ask(platform, who, ASKED, PLAIN)
    assert platform.embedder.queries == [ASKED]


def test_redis_may_go_away_and_come_back_empty(filled, api, tmp_path, caplog):
    with redis_server(tmp_path) as url:
        platform = filled(RAG_REDIS_URL=url)
        ask(platform)
        assert ask(platform, ALIKE).answer.cached_from
        assert list(platform.lake.objects.list("similar/")) == []
    answer = ask(platform, ALIKE).answer
    assert (answer.model, answer.cached_from) == ("openai:stand-in-chat", "")
    assert "The cache of similar questions failed (ConnectionError)" in caplog.text


def test_askers_at_once_are_all_answered(filled, api):
    start = threading.Barrier(4)

    def work(number):
        platform = filled()
        start.wait()
        return ask(platform, ASKED + " " * number).answer

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(work, range(4)))
    assert {each.model for each in answers} == {"openai:stand-in-chat"}
    assert ask(filled(), ALIKE).answer.cached_from


def test_a_file_of_questions_is_answered_from_before_and_says_so(filled, api):
    platform = filled()
    artifacts, asking = platform.artifacts("one"), Asking(3, rescued=IN_BATCHES)
    questions = [Asked("1", ASKED), Asked("2", ALIKE)]
    (batch,) = plan(platform, questions, asking, artifacts)
    answer_batch(platform, batch, asking, artifacts)
    result = collect(platform, asking, artifacts)
    assert len(api.rows()) == 1
    one, two = artifacts.read(result["parquet"]).to_dicts()
    assert (one["cached_from"], two["cached_from"]) == ("", one["trace_id"])


def test_an_erasure_forgets_all_questions_and_the_answers_go_with_their_traces(synced, api, inbox):
    platform = synced()
    ask(platform)
    ask(platform, ALIKE)
    (inbox / "retry.md").unlink()
    receipt, status = erase(platform, (inbox / "retry.md").as_uri(), settle_seconds=0)
    assert status == 0
    assert (receipt["removed"]["similar/"], receipt["removed"]["traces/"]) == (1, 2)
    assert list(platform.lake.objects.list("similar/")) == []


def test_the_command_line_tells_people_and_scripts(filled, api, environment, monkeypatch, capsys):
    filled()
    for name, value in (environment | CHAT | api.environment()).items():
        monkeypatch.setenv(name, value)
    api.control(chat=["It retries failing calls [1]."])
    assert main(["ask", ASKED, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["cached_from"], first["cosine"], first["cached_question"]) == ("", None, "")
    assert main(["ask", ALIKE, "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert (second["cached_from"], second["cached_question"]) == (first["trace_id"], ASKED)
    assert (second["cost_usd"], second["cosine"] > 0.85) == ("0", True)
    assert main(["ask", ALIKE]) == 0
    told = capsys.readouterr().out
    assert f'given before to "{ASKED}", cosine 0.' in told
    assert f"trace {first['trace_id']}" in told
    assert main(["ask", ALIKE, "--fresh"]) == 0
    assert "given before" not in capsys.readouterr().out
