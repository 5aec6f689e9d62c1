"""Files of questions: what is read, and what is refused by line."""

from __future__ import annotations

import pytest

from include.answering.questions import parse_questions, read_uri
from include.errors import ConfigurationError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"id": "1", "question": "Why?"}\n\n{"id": 2, "question": "How? "}\n'),
        ("a.csv", "id,question,note\r\n1,Why?,x\r\n2, How?,y\r\n"),
    ],
)
def test_questions_keep_their_ids_and_order(name, text):
    assert [(q.id, q.question) for q in parse_questions(text, name)] == [
        ("1", "Why?"),
        ("2", "How?"),
    ]


def test_lines_are_questions_and_one_asked_twice_is_kept_once():
    found = parse_questions("\ufeffWhy?\n\nHow?\r\nWhy?\n", "a.txt")
    assert [q.question for q in found] == ["Why?", "How?"]
    assert len({q.id for q in found}) == 2


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.jsonl", '{"question": "Why?"}\nnope\n', "Line 2 is not JSON"),
        ("a.jsonl", r'{"question": "why \ud800"}', "Line 1: The query should be Unicode"),
        ("a.jsonl", '{"id": "1"}\n', "Line 1 should have a question"),
        ("a.jsonl", '{"id": 1, "question": "a"}\n{"id": 1, "question": "b"}', "line 2: the id '1'"),
        ("a.csv", "name\nx\n", "First line|first line"),
        ("a.txt", " \n", "holds no question"),
    ],
)
def test_a_file_that_is_wrong_is_told_by_line(name, text, told):
    with pytest.raises(ConfigurationError, match=told):
        parse_questions(text, name)


def test_files_are_read_in_the_lake_and_in_sources_alone(world, inbox, tmp_path):
    platform = world()
    (inbox / "my questions.txt").write_text("Why?\n")
    (tmp_path / "lake" / "asked.txt").parent.mkdir(exist_ok=True)
    platform.lake.files.write("asked.txt", b"How?\n")
    assert read_uri(platform, f"{inbox.as_uri()}/my%20questions.txt") == "Why?\n"
    assert read_uri(platform, f"{platform.lake.uri}/asked.txt") == "How?\n"
    (tmp_path / "secret.txt").write_text("no")
    for wrong in (
        "file:///etc/passwd",
        f"{platform.lake.uri}/../secret.txt",
        f"{platform.lake.uri}/%2e%2e/secret.txt",
        f"{inbox.as_uri()}/../secret.txt",
        f"{inbox.as_uri()}/%2e%2e/secret.txt",
        f"{inbox.as_uri()}/none.txt",
    ):
        with pytest.raises(ConfigurationError):
            read_uri(platform, wrong)
