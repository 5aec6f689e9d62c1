"""Golden questions from titles and headings."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.commands.main import main
from include.documents import Block
from include.evaluation.questions import load_questions, parse_question
from include.evaluation.synthetic import Titled, as_line, generate


def document(name: str, title: str, *headings: str) -> Titled:
    text, blocks = "", []
    for heading in headings:
        blocks.append(Block("heading", len(text), len(text) + len(heading), level=2))
        text += heading + "\n"
    return Titled(f"file:///in/{name}.md", title, text, tuple(blocks))


CORPUS = [
    document("retry", "Retrying calls", "Exponential backoff", "License"),
    document("cache", "Caching results", "License"),
    document("short", "x"),
    document("twin", "Caching results"),
    document("long", "word " * 60),
    document("rule", "----------"),
]


def asked(**more: int) -> dict[str, dict[str, float]]:
    return {q.question: dict(q.relevant) for q in generate(CORPUS, more.pop("count", 100), **more)}


def test_titles_and_headings_under_them_become_questions():
    assert set(asked()) == {
        "Retrying calls", "Retrying calls: Exponential backoff", "Retrying calls: License",
        "Caching results", "Caching results: License"}  # fmt: skip


def test_what_two_documents_are_called_is_relevant_in_both():
    relevant = asked()["Caching results"]
    assert relevant == {"file:///in/cache.md": 1.0, "file:///in/twin.md": 1.0}


def test_every_question_is_marked_and_can_be_read_back():
    for question in generate(CORPUS, 100):
        assert question.tags[0] == "synthetic"
        assert parse_question(as_line(question)) == question


def test_every_document_is_asked_about_before_one_is_asked_about_twice():
    chosen = generate([CORPUS[0], CORPUS[1]], 2)
    assert {uri for each in chosen for uri in each.relevant} == {
        "file:///in/retry.md", "file:///in/cache.md"}  # fmt: skip


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_documents_does_not_matter(chance: random.Random):
    shuffled = list(CORPUS)
    chance.shuffle(shuffled)
    assert generate(shuffled, 3) == generate(CORPUS, 3)


def test_another_seed_takes_other_questions():
    assert len({tuple(asked(count=2, seed=seed)) for seed in range(20)}) > 1


@pytest.fixture
def filled(environment, inbox, monkeypatch, capsys):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (inbox / "retry guide.md").write_text(
        "# Retrying calls\n\nWaits.\n\n## Exponential backoff\n\nDoubles.\n"
    )
    (inbox / "cache.md").write_text("# Caching results\n\nKeeps results of pure functions.\n")
    assert main(["sync"]) == 0
    capsys.readouterr()
    return main


def test_a_golden_file_is_made_of_the_index_and_evaluates_it(filled, tmp_path, capsys):
    out = tmp_path / "golden.jsonl"
    assert filled(["golden", "--out", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["questions"], answer["documents"], answer["synthetic"]) == (3, 2, True)
    assert filled(["evaluate", "--questions", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["metrics"]["recall@10"] == 1.0
    assert set(report["by_tag"]) == {"synthetic", "title", "heading"}


def test_questions_of_people_are_not_overwritten(filled, tmp_path, capsys):
    out = tmp_path / "golden.jsonl"
    assert filled(["golden", "--out", str(out)]) == 0
    first = out.read_text()
    assert filled(["golden", "--out", str(out)]) == 0
    assert out.read_text() == first
    line = {"id": "q", "question": "Why?", "relevant": {"cache.md": 1}}
    out.write_text(first + json.dumps(line))
    assert filled(["golden", "--out", str(out)]) == 2
    assert "Name another file" in capsys.readouterr().err
    assert len(load_questions(out)) == 4


@pytest.mark.parametrize(
    ("arguments", "told"), [(["--count", "0"], "--count should be >= 1"), ([], "sync` first")]
)
def test_nothing_to_ask_is_told(environment, monkeypatch, tmp_path, capsys, arguments, told):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["golden", "--out", str(tmp_path / "g.jsonl"), *arguments]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "g.jsonl").exists()
