"""Questions of a chat model: drawn evenly, priced before, paid once, checked, kept for a person."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest

from include.commands.ingest import sync
from include.errors import ApprovalError, TransientError
from include.golden.drawing import plan, require_approval
from include.golden.generating import generate
from include.golden.kept import (
    WAITING,
    questions_of,
)  # fmt: skip
from include.spending.ledger import today_utc
from include.wiring import new_run_id
from tests.small_lake import made, write

CHAT = {
    "RAG_EMBEDDER": "fake:32",
    "RAG_CHAT_MODEL": "openai:stand-in-chat",
    "RAG_RESPONSE_CACHE_SECONDS": "0",
    "RAG_CHUNK_TOKENS": "64",
}
TEXTS = {
    "retry": "A client that was refused waits before it tries once more, and doubles the pause "
    "with every attempt until two minutes have passed.",
    "cache": "Results of functions stay in memory for ten minutes, after which the oldest entry "
    "leaves first so that the size never grows.",
    "keys": "Operators replace the secret used for signing tokens every month, and keep the "
    "previous one valid until its last token has expired.",
}
DOCUMENTS = {f"{name}.md": f"# About {name}\n\n{text}\n" for name, text in TEXTS.items()}
GOOD = {
    "retry": ("When does a busy server hear from me again?", "doubles the pause"),
    "cache": ("For what time can an outcome be reused?", "ten minutes"),
    "keys": ("How often is a credential exchanged?", "every month"),
}


def said(*pairs: tuple[str, str]) -> str:
    return json.dumps({"questions": [{"question": q, "answer": a} for q, a in pairs]})


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake of three documents, made once."""
    return made(tmp_path_factory.mktemp("filled"), DOCUMENTS, RAG_CHUNK_TOKENS="64")


@pytest.fixture
def at(connected, lake, tmp_path):
    shutil.copytree(lake, tmp_path / "lake")
    return lambda extra=None, **changed: connected(extra, **(CHAT | changed))


@pytest.fixture
def at_source(connected, inbox):
    """The same with its source, for tests that change it."""
    write(inbox, DOCUMENTS)
    sync(connected(**CHAT))
    return lambda **changed: connected(**(CHAT | changed))


def run(platform, api=None, replies=None, *, most=10, seed=7, again=False):
    """Plans, scripts the replies in the order drawn, and asks; the work and what came of it."""
    artifacts = platform.artifacts(new_run_id())
    work = plan(platform, artifacts, most=most, seed=seed, again=again)
    if replies is not None:
        rows = artifacts.read(artifacts.list("passages")).iter_rows(named=True)
        names = [next(n for n, t in TEXTS.items() if t[:20] in row["text"]) for row in rows]
        api.control(chat=[replies(name) for name in names])
    return work, generate(platform, platform.chat_model, artifacts)


def good(name: str) -> str:
    return said(GOOD[name])


def test_good_questions_wait_with_passage_answer_and_where_they_are_from(at, api, lake):
    work, done = run(at(), api, good)
    assert (work.passages, done.kept, dict(done.dropped)) == (3, 3, {})
    rows = {row["question"]: row for row in questions_of(at().tables, WAITING)}
    row = rows[GOOD["retry"][0]]
    assert row["answer"] == "doubles the pause"
    assert TEXTS["retry"] in row["passage"]
    assert row["relevant"] == {(lake.parent / "inbox" / "retry.md").as_uri(): 1.0}
    assert row["tags"] == ["synthetic", "generate_questions@1", "openai:stand-in-chat"]


def test_the_same_passages_are_never_paid_for_twice_and_another_prompt_or_model_is_new(at, api):
    run(at(), api, good)
    work, done = run(at())
    assert (work.passages, work.cost_usd, done.kept) == (0, 0, 0)
    assert len(api.rows()) == 3
    other = at(RAG_CHAT_MODEL="openai:stand-in-better")
    assert plan(other, other.artifacts("o"), most=10, seed=7).passages == 3
    version = {"version": "9", "template": "{{ text }} {{ count }}"}
    prompt = {"generate_questions": {"versions": [version], "labels": {"production": "9"}}}
    newer = at(AIRFLOW_VAR_PROMPT_TEMPLATES=json.dumps(prompt))
    assert plan(newer, newer.artifacts("n"), most=10, seed=7).passages == 3


def test_a_renamed_document_is_no_reason_to_pay(at_source, api, inbox):
    run(at_source(), api, good)
    (inbox / "retry.md").rename(inbox / "again.md")
    sync(at_source())
    assert run(at_source())[0].passages == 0


def test_a_run_that_breaks_off_goes_on_without_paying_again(at, api):
    platform = at(extra={"tries": 1})
    artifacts = platform.artifacts("one run")
    plan(platform, artifacts, most=10, seed=7)
    api.control(chat=[said()], faults=["", "503"])
    with pytest.raises(TransientError):
        generate(platform, platform.chat_model, artifacts)
    api.control(chat=[said(), said()])
    again = generate(at(), at().chat_model, artifacts)
    assert (again.known, again.set_aside) == (1, 0)
    assert sum(row["charged"] for row in api.rows()) == 3


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (("What is about retry?", "doubles the pause"), "title"),
        (("When does a busy server hear from me again?", "three minutes"), "unanswerable"),
        (("What does this text say of the pause?", "doubles the pause"), "depends"),
    ],
)
def test_a_question_that_is_not_worth_asking_is_dropped_and_counted(at, api, pair, reason):
    _, done = run(at(), api, lambda name: said(pair) if name == "retry" else said(), most=10)
    assert (done.kept, dict(done.dropped)) == (0, {reason: 1})
    held = at().tables.golden_passages.read(["kept", "dropped"])
    assert json.dumps({reason: 1}) in held["dropped"].to_list()


def test_a_question_that_was_asked_before_is_no_second_one(at, api):
    _, done = run(at(), api, lambda name: said(GOOD[name], GOOD[name]))
    assert (done.kept, dict(done.dropped)) == (3, {"duplicate": 3})


@pytest.mark.parametrize(
    ("chat", "faults", "reason"),
    [
        (["no json"] * 2, [], "malformed"),
        (['{"questions": [{"question": "a"}]}'] * 2, [], "invalid: questions.0.answer"),
        ([said()] * 2, ["length", "length"], "cut"),
        ([said()] * 2, ["content_filter", "content_filter"], "refused"),
    ],
)
def test_a_bad_reply_is_asked_for_once_more_then_set_aside_and_tried_again_only_on_request(
    at, api, chat, faults, reason
):
    api.control(chat=chat, faults=faults)
    _, done = run(at(RAG_RESPONSE_CACHE_SECONDS="86400"), most=1)
    assert (done.set_aside, done.kept, len(api.rows())) == (1, 0, 2)
    assert at().tables.golden_passages.read(["reason"])["reason"][0].startswith(reason)
    run(at(), api, good)
    assert len(api.rows()) == 4
    work, done = run(at(RAG_RESPONSE_CACHE_SECONDS="86400"), api, good, again=True)
    assert (work.passages, done.kept, done.known) == (1, 1, 0)


def test_documents_take_turns_and_a_seed_decides(at_source, inbox):
    more = "\n\n".join(
        f"## Part {n}\n\n{TEXTS['retry'].replace('client', f'machine{n}')}" for n in range(8)
    )
    (inbox / "long.md").write_text(f"# Long\n\n{more}\n")
    sync(platform := at_source())

    def drawn(seed: int) -> list[str]:
        artifacts = platform.artifacts(f"draw {seed}")
        plan(platform, artifacts, most=4, seed=seed)
        return artifacts.read(artifacts.list("passages"))["document_id"].to_list()

    assert max(Counter(drawn(7)).values()) == 1
    assert drawn(7) == drawn(7)
    assert len({tuple(drawn(seed)) for seed in range(6)}) > 1


def test_above_the_threshold_nothing_is_paid_without_approval(at, api):
    prices = {"stand-in-chat": {"input_per_million_usd": "0", "output_per_million_usd": "1000"}}
    dear = at(
        AIRFLOW_VAR_RAG_PRICES=json.dumps(prices), AIRFLOW_VAR_RAG_BUDGETS='{"approval_usd": 5}'
    )
    work = plan(dear, dear.artifacts("x"), most=10, seed=7)
    assert (
        f"{work.cost_usd:f}" == "7.2"
    )  # 3 passages of at most 800 tokens, and 1,600 where the reply cannot be used
    with pytest.raises(ApprovalError, match=r"Asking about 3 passages costs up to 7\.2 USD"):
        require_approval(work, dear)
    cheap = plan(dear, dear.artifacts("y"), most=2, seed=7)
    require_approval(cheap, dear)
    assert api.rows() == []


def test_a_budget_ends_the_run_and_keeps_what_was_paid(at, api):
    prices = {"stand-in-chat": {"input_per_million_usd": "0", "output_per_million_usd": "1000"}}
    budgets = '{"daily_usd": 0.81}'  # room for one reservation of 800 tokens at a time
    poor = at(AIRFLOW_VAR_RAG_PRICES=json.dumps(prices), AIRFLOW_VAR_RAG_BUDGETS=budgets)
    _, done = run(poor, api, good)
    assert (done.kept, done.open, len(questions_of(at().tables))) == (1, 2, 1)
    assert "daily_usd" in done.stopped


def test_a_model_that_is_down_is_told_and_nothing_counts_as_asked(at, api):
    platform = at()
    artifacts = platform.artifacts("down")
    plan(platform, artifacts, most=10, seed=7)
    api.control(refuse_models=["stand-in-chat"])
    with pytest.raises(TransientError):
        generate(platform, platform.chat_model, artifacts)
    assert at().tables.golden_passages.count() == 0


def test_calls_are_in_the_ledger_with_prompt_and_document(at, api):
    run(at(), api, good)
    entries = list(at().spending.ledger.entries(today_utc()))
    assert {each.purpose.operation for each in entries} == {"generate_questions"}
    assert {each.purpose.prompt_version for each in entries} == {"1"}
    ids = set(at().tables.documents.read(["id"])["id"])
    assert {each.purpose.document for each in entries} == ids
