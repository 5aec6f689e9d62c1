"""`golden` from a shell: questions are made, listed, decided about, exported, and then asked."""

from __future__ import annotations

import json

import pytest

from include.commands.ingest import sync
from include.commands.main import main
from include.evaluation.questions import load_questions
from include.golden.kept import FEWEST, questions_of
from include.golden.titles import propose
from include.judging import Asked, golden_questions, state_of

NAMES = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heron", "iris", "jade")


@pytest.fixture
def command(environment, inbox, monkeypatch, capsys):
    """Runs a command with `--json`; its status and its answer."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in NAMES:
        text = f"The {name} is described here in plain words about colour, weight, age and origin."
        (inbox / f"{name}.md").write_text(f"# About {name}\n\n{text}\n")
    assert main(["sync"]) == 0
    capsys.readouterr()

    def run(*arguments: str):
        status = main([*arguments, "--json"])
        said = capsys.readouterr()
        return status, json.loads(said.out) if said.out else said.err

    return run


def test_a_heading_that_occurs_twice_is_shown_with_the_text_below_its_own(world, inbox):
    parts = [f"## Version {n}\n\n### What is new\n\nIt is news of {n}.\n" for n in (2, 1)]
    (inbox / "log.md").write_text("# Changes\n\n" + "\n".join(parts))
    sync(platform := world())
    propose(platform.tables, most=20, seed=7)
    shown = {row["question"]: row["passage"] for row in questions_of(platform.tables)}
    for number in (1, 2):
        passage = shown[f"Changes: Version {number}: What is new"]
        assert passage.startswith(f"What is new\n\nIt is news of {number}.")


def test_without_a_model_titles_wait_and_what_is_accepted_is_asked(command, world, tmp_path):
    _, made = command("golden", "generate", "--most", "30")
    assert (made["model"], made["kept"], made["waiting"]) == ("none", 10, 10)
    assert command("golden", "generate")[1]["kept"] == 0
    _, listed = command("golden", "list", "--state", "waiting")
    first = listed["items"][0]
    assert first["question"].startswith("About ")
    assert "is described here" in first["passage"]
    assert set(first["tags"]) == {"synthetic", "title"}
    before = state_of(world(), Asked())
    status, decided = command("golden", "accept", first["id"], "--question", "What of it?")
    assert (status, decided["questions"], decided["counts"]["accepted"]) == (0, 1, 1)
    assert state_of(world(), Asked()) != before
    assert len({q.question for q in golden_questions(world())} & {"What of it?"}) == 0
    assert command("golden", "accept", "--all")[1]["asked"] == FEWEST == 10
    assert "What of it?" in {q.question for q in golden_questions(world())}
    out = tmp_path / "golden.jsonl"
    assert command("golden", "export", "--out", str(out))[1]["exported"] == 10
    assert {q.id for q in load_questions(out)} == {q.id for q in golden_questions(world())}
    status, report = command("evaluate")
    assert (status, report["questions"]) == (0, 10)
    assert report["by_tag"].keys() == {"synthetic", "title", "edited"}


def test_a_file_wins_over_what_was_accepted(command, world, tmp_path, monkeypatch):
    command("golden", "generate")
    command("golden", "accept", "--all")
    file = tmp_path / "own.jsonl"
    file.write_text('{"id": "own", "question": "Mine?", "relevant": {"amber.md": 1}}')
    assert [q.id for q in golden_questions(world(), file)] == ["own"]
    own = world(RAG_GOLDEN_QUESTIONS=str(file))
    before = state_of(own, Asked())
    assert [q.id for q in golden_questions(own)] == ["own"]
    command("golden", "reject", golden_questions(world())[0].id)
    assert state_of(own, Asked()) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["accept"], "Nothing to decide about"),
        (["accept", "golden-0"], "There is no question 'golden-0'"),
        (["accept", "a", "b", "--question", "x"], "--question rewords one question"),
        (["export", "--out", "somewhere.jsonl"], "No accepted question"),
        (["generate", "--most", "0"], "--most should be >= 1"),
        ([], "--out"),
    ],
)
def test_what_cannot_be_done_is_told(command, arguments, told):
    status, said = command("golden", *arguments)
    assert status == 2
    assert told in said


def test_an_export_replaces_no_file(command, tmp_path):
    command("golden", "generate")
    command("golden", "accept", "--all")
    out = tmp_path / "golden.jsonl"
    out.write_text("mine")
    status, said = command("golden", "export", "--out", str(out))
    assert (status, out.read_text()) == (2, "mine")
    assert "exists" in said


def test_people_are_shown_questions_places_and_what_comes_next(command, capsys):
    assert main(["golden", "generate"]) == 0
    assert "10 new questions by none wait for a person" in capsys.readouterr().out
    assert main(["golden", "list"]) == 0
    said = capsys.readouterr().out
    assert "waiting" in said
    assert "amber.md" in said
    assert "From 10 accepted ones on" in said
    assert main(["golden", "accept", "--all"]) == 0
    assert "Evaluations ask the 10 accepted ones" in capsys.readouterr().out


def test_an_api_that_goes_down_leaves_a_receipt_of_what_was_paid(command, api, monkeypatch):
    for name, value in (
        api.environment(tries=1) | {"RAG_CHAT_MODEL": "openai:stand-in-chat"}
    ).items():
        monkeypatch.setenv(name, value)
    api.control(faults=["", *["503"] * 9], chat=['{"questions": []}'])
    status, answer = command("golden", "generate")
    assert (status, answer["set_aside"], answer["open"], bool(answer["stopped"])) == (1, 0, 9, True)
    assert float(answer["cost_usd"]) > 0


def test_a_model_that_is_configured_is_priced_and_needs_approval(command, monkeypatch):
    endpoint = {"conn_type": "openai", "host": "http://127.0.0.1:1/v1", "password": "x",
                "extra": {"tokenizer": "words", "tries": 1}}  # fmt: skip
    price = {"m": {"input_per_million_usd": "0", "output_per_million_usd": "1000"}}
    for name, value in {
        "RAG_CHAT_MODEL": "openai:m",
        "AIRFLOW_CONN_OPENAI_DEFAULT": json.dumps(endpoint),
        "AIRFLOW_VAR_RAG_PRICES": json.dumps(price),
        "AIRFLOW_VAR_RAG_BUDGETS": '{"approval_usd": 1}',
    }.items():
        monkeypatch.setenv(name, value)
    status, said = command("golden", "generate")
    assert status == 1
    assert "Asking about 10 passages costs up to 24 USD" in said
    status, answer = command("golden", "generate", "--approve-usd", "24")
    assert (status, answer["kept"], answer["estimated_cost_usd"]) == (1, 0, "24")
    assert answer["stopped"]
