"""A file of questions is answered in batches, once; what is missing is asked by the next run."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from include.answering.asking import Asking
from include.answering.batches import IN_BATCHES, answer_batch, collect, plan
from include.answering.questions import parse_questions
from include.commands.erase import erase
from include.commands.ingest import sync
from include.commands.main import main
from include.erasure import Erasing
from include.erasure import erase as erase_document
from include.errors import TransientError
from tests.standin.redis_server import redis_server

CHAT = {"RAG_EMBEDDER": "fake:32", "RAG_CHAT_MODEL": "openai:stand-in-chat"}
ASKING = Asking(3, rescued=IN_BATCHES)
QUESTIONS = "".join(f"What retries call number {n}?\n" for n in range(25))


@pytest.fixture
def filled(connected, inbox):
    (inbox / "retry.md").write_text("# Retry\n\nRetries failing calls with a growing delay.\n")
    sync(connected(**CHAT))
    return lambda **changed: connected(**(CHAT | changed))


def run(platform, name, text=QUESTIONS, asking=ASKING):
    """Plan, batches, collect: what both the Dag and the command do."""
    artifacts = platform.artifacts(name)
    batches = plan(platform, parse_questions(text, "q.txt"), asking, artifacts)
    done = [answer_batch(platform, each, asking, artifacts) for each in batches]
    return batches, done, collect(platform, asking, artifacts)


def rows(platform, result):
    raw = platform.lake.files.read(platform.lake.files.path(result["jsonl"]))
    return [json.loads(line) for line in raw.decode().splitlines()]


def test_every_question_is_answered_with_citations_and_cost_and_asked_once(filled, api):
    platform = filled(RAG_MAX_MAPPED_TASKS="2", RAG_RESPONSE_CACHE_SECONDS="0")
    batches, _, result = run(platform, "one")
    assert [batch.count for batch in batches] == [13, 12]
    assert (result["answered"], result["open"], len(api.rows())) == (25, 0, 25)
    found = rows(platform, result)
    assert [row["question"] for row in found] == QUESTIONS.splitlines()
    assert all(row["citations"][0]["uri"].endswith("retry.md") for row in found)
    assert {row["prompt_version"] for row in found} == {"1"}
    assert result["cost_usd"] == f"{sum(e.cost_usd for e in entries(platform)):f}"
    flat = platform.artifacts("one").read(result["parquet"])
    assert flat["answer"].to_list() == [row["answer"] for row in found]
    again, _, second = run(platform, "two", QUESTIONS + "What is new?\n")
    assert ([batch.count for batch in again], len(api.rows())) == ([1], 26)
    assert (second["answered"], second["open"]) == (26, 0)


def entries(platform):
    from include.spending.ledger import today_utc

    return platform.spending.ledger.entries(today_utc())


def test_another_prompt_version_or_index_state_is_asked_anew(filled, api, inbox):
    versions = {
        "answer": {
            "versions": [{"version": "2", "template": "{{ passages | tojson }} {{ question }}"}]
        }
    }
    platform = filled(
        AIRFLOW_VAR_PROMPT_TEMPLATES=json.dumps(versions), RAG_RESPONSE_CACHE_SECONDS="0"
    )
    run(platform, "one", "Why?\n")
    run(platform, "two", "Why?\n", Asking(3, prompt="2", rescued=IN_BATCHES))
    assert len(api.rows()) == 2
    sync(filled())
    run(filled(RAG_RESPONSE_CACHE_SECONDS="0"), "three", "Why?\n")
    assert len(api.rows()) == 2  # nothing changed
    (inbox / "new.md").write_text("# New\n\nA new document about something.\n")
    sync(filled())
    run(filled(RAG_RESPONSE_CACHE_SECONDS="0"), "four", "Why?\n")
    assert len(api.rows()) == 3


def moved(label: str) -> str:
    """The prompts with `production` on another version."""
    version = {"version": "2", "template": "{{ passages | tojson }} {{ question }}"}
    return json.dumps({"answer": {"versions": [version], "labels": {"production": label}}})


def test_a_run_collects_what_it_paid_for_whatever_changed_meanwhile(filled, api, inbox):
    off = {"RAG_RESPONSE_CACHE_SECONDS": "0"}
    run(filled(**off), "earlier", "Why?\n")
    platform = filled(**off)
    artifacts = platform.artifacts("one")
    (batch,) = plan(platform, parse_questions("Why?\nWhat?\n", "q.txt"), ASKING, artifacts)
    answer_batch(platform, batch, ASKING, artifacts)
    (inbox / "new.md").write_text("# New\n\nA new document about something.\n")
    sync(filled())
    later = filled(AIRFLOW_VAR_PROMPT_TEMPLATES=moved("2"), **off)
    again = answer_batch(later, batch, ASKING, later.artifacts("one"))
    result = collect(later, ASKING, later.artifacts("one"))
    assert (again.made, again.known, result["open"], len(api.rows())) == (0, 1, 0, 2)
    assert {row["prompt_version"] for row in rows(later, result)} == {"1"}


def test_an_answer_is_known_by_the_prompt_that_made_it(filled, api):
    """The label moves after the plan: what the new version answers is no answer of the old one."""
    off = {"RAG_RESPONSE_CACHE_SECONDS": "0"}
    old, new = filled(**off), filled(AIRFLOW_VAR_PROMPT_TEMPLATES=moved("2"), **off)
    (batch,) = plan(old, parse_questions("Why?\n", "q.txt"), ASKING, old.artifacts("one"))
    answer_batch(new, batch, ASKING, new.artifacts("one"))
    assert len(plan(old, parse_questions("Why?\n", "q.txt"), ASKING, old.artifacts("two"))) == 1
    assert plan(new, parse_questions("Why?\n", "q.txt"), ASKING, new.artifacts("three")) == []


def test_a_refused_question_gets_extracts_and_is_asked_by_the_next_run(filled, api):
    platform = filled()
    api.control(faults=["content_filter"])
    _, _, result = run(platform, "one", "Which retries failing calls?\nWhy?\n")
    refused, fine = rows(platform, result)
    assert (refused["model"], fine["model"]) == ("extractive", "openai:stand-in-chat")
    assert "these are extracts" in refused["problems"][0]
    (batch,), _, _ = run(platform, "two", "Which retries failing calls?\nWhy?\n")
    assert batch.count == 1
    assert len(api.rows()) == 3


def test_a_budget_ends_the_batch_keeps_what_was_paid_and_goes_on_later(filled, api):
    limited = filled(
        AIRFLOW_VAR_RAG_BUDGETS='{"daily_usd": 0.0008}', RAG_RESPONSE_CACHE_SECONDS="0"
    )
    _, done, result = run(limited, "one")
    paid = len(api.rows())
    assert 0 < paid < 25
    assert done[0].stopped
    assert (result["answered"], result["open"]) == (paid, 25 - paid)
    assert sum(row["answer"] is None for row in rows(limited, result)) == 25 - paid
    _, _, result = run(filled(RAG_RESPONSE_CACHE_SECONDS="0"), "two")
    assert (result["open"], len(api.rows())) == (0, 25)


def test_an_api_that_is_down_raises_and_the_retry_asks_what_is_missing(filled, api):
    platform = filled(RAG_RESPONSE_CACHE_SECONDS="0")
    platform.remote._sleep = lambda _: None
    artifacts = platform.artifacts("one")
    (batch,) = plan(platform, parse_questions("A b?\nC d?\n", "q.txt"), ASKING, artifacts)
    api.control(chat=["Yes [1]."], faults=["", *["503"] * 30], retry_after="0")
    with pytest.raises(TransientError):
        answer_batch(platform, batch, ASKING, artifacts)
    api.control(begin=str(api.meter))
    later = filled(RAG_RESPONSE_CACHE_SECONDS="0")
    done = answer_batch(later, batch, ASKING, later.artifacts("one"))
    assert (done.made, done.known) == (1, 1)


def test_without_a_chat_model_answers_are_extracts_labelled_so(filled, api):
    platform = filled(RAG_CHAT_MODEL="none")
    _, _, result = run(platform, "one", "Which retries failing calls?\n")
    assert (result["extractive"], result["cost_usd"], api.rows()) == (1, "0", [])
    (row,) = rows(platform, result)
    assert "growing delay" in row["answer"]
    assert row["prompt_version"] is None


def test_an_erased_document_takes_the_answers_about_it_along(filled, api, inbox):
    platform = filled()
    run(platform, "one", "Which retries failing calls?\n")
    (inbox / "retry.md").unlink()
    receipt, status = erase(platform, (inbox / "retry.md").as_uri(), settle_seconds=0)
    assert status == 0
    assert (receipt["removed"]["traces/"], receipt["removed"]["runs/"] >= 1) == (1, True)


def test_an_answer_that_was_on_its_way_during_an_erasure_goes_too(filled, api, inbox):
    """It was asked before the document went, and is kept afterwards: trace, response, question."""
    platform = filled()
    run(platform, "one", "Which retries failing calls?\n")
    objects = platform.lake.objects
    late = {
        path: objects.read(path).data
        for folder in ("traces/", "responses/")
        for path in objects.list(folder)
    }
    assert len(late) == 2
    (inbox / "retry.md").unlink()
    within = Erasing(
        platform.lake,
        platform.database,
        platform.store,
        by="ada",
        settle=lambda: [objects.write(*each) for each in late.items()],
        forget_answers=platform.responses.clear,
    )
    receipt = erase_document((inbox / "retry.md").as_uri(), within, now=datetime.now(UTC))
    assert (receipt.is_clean, [objects.read(path) for path in late]) == (True, [None, None])
    assert (receipt.removed["traces/"], receipt.removed["responses/"]) == (2, 2)


def test_an_erasure_forgets_answers_where_they_were_kept_before_there_was_redis(
    filled, inbox, tmp_path
):
    platform = filled(RAG_SEMANTIC_CACHE="0.95")
    run(platform, "one", "Which retries failing calls?\n")
    kept = [*platform.lake.objects.list("responses/"), *platform.lake.objects.list("similar/")]
    assert len(kept) == 2
    (inbox / "retry.md").unlink()
    with redis_server(tmp_path) as url:
        erase(filled(RAG_REDIS_URL=url), (inbox / "retry.md").as_uri(), settle_seconds=0)
    assert [platform.lake.objects.read(path) for path in kept] == [None, None]


def test_the_command_answers_a_file_and_says_what_is_open(
    filled, api, environment, inbox, tmp_path, monkeypatch, capsys
):
    filled()
    for name, value in (environment | CHAT | api.environment()).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "q.txt").write_text("Why?\nHow?\n")
    out = tmp_path / "answers.jsonl"
    assert main(["answer", str(tmp_path / "q.txt"), "--out", str(out)]) == 0
    assert "2 of 2 questions answered" in capsys.readouterr().out
    assert len(out.read_text().splitlines()) == 2
    (tmp_path / "q.txt").write_text("Why?\nWhat else?\n")
    monkeypatch.setenv("AIRFLOW_VAR_RAG_BUDGETS", '{"daily_usd": 0}')
    assert main(["answer", str(tmp_path / "q.txt"), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["answered"], answer["open"]) == (1, 1)
