"""Golden questions: what is accepted, how paths name documents, and how a search is scored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.documents import Hit
from include.errors import ConfigurationError
from include.evaluation.questions import Question, load_questions
from include.evaluation.run import evaluate, judge, verdict

QUESTION = {"id": "q1", "question": "What is it?", "relevant": {"docs/a.md": 2}}


def write(folder: Path, *lines: str) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_questions_are_read_in_order(tmp_path: Path) -> None:
    second = {**QUESTION, "id": 7, "answer": "It.", "tags": ["fact", "fact", "hard"]}
    first, last = load_questions(write(tmp_path, json.dumps(QUESTION), "", json.dumps(second)))
    assert first == Question("q1", "What is it?", {"docs/a.md": 2.0})
    assert last == Question("7", "What is it?", {"docs/a.md": 2.0}, "It.", ("fact", "hard"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, "id should be a text that is not empty, is ''"),
        ({"id": True}, "id should be a text"),
        ({"question": None}, "question should be a text that is not empty, is None"),
        ({"relevant": {}}, "relevant should map document paths to grades, is {}"),
        ({"relevant": ["a.md"]}, "relevant should map document paths to grades"),
        ({"relevant": {"a.md": 0}}, "grades above 0, has 'a.md': 0"),
        ({"relevant": {"a.md": "3"}}, "grades above 0, has 'a.md': '3'"),
        ({"relevant": {"/": 1}}, "has '/': 1"),
        ({"relevant": {"a.md": float("nan")}}, "has 'a.md': nan"),
        ({"answer": 3}, "answer should be a text, is 3"),
        ({"answer": "\ud800"}, "half a character"),
        ({"tags": "fact"}, "tags should be a list of texts, is 'fact'"),
        ({"tag": ["fact"]}, "unknown key 'tag'; allowed are id, question, relevant, answer, tags"),
    ],
)
def test_a_malformed_question_is_named_by_its_line(
    tmp_path: Path, change: Mapping[str, object], message: str
) -> None:
    path = write(tmp_path, json.dumps(QUESTION), "", json.dumps({**QUESTION, "id": "q2", **change}))
    with pytest.raises(ConfigurationError) as caught:
        load_questions(path)
    assert "questions.jsonl, line 3: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"id": '], "line 1: "),
        (["[1]"], r"line 1: expected a JSON object, found '\[1\]'"),
        (["[" * 100_000], "line 1: "),
        ([json.dumps(QUESTION)] * 2, "line 2: id 'q1' is used twice"),
        (["", " "], "holds no question"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, lines: Sequence[str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_questions(write(tmp_path, *lines))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_questions(tmp_path / "missing.jsonl")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///in/docs/a.md", "docs/a.md"),
        ("s3://bucket/docs/a.md", "docs/a.md"),
        ("docs/a.md", "docs/a.md"),
        ("file:///in/mydocs/a.md", "file:///in/mydocs/a.md"),
        ("file:///in/docs/a.mdx", "file:///in/docs/a.mdx"),
        ("file:///in/b%20c.md", "b c.md"),
        ("file:///in/deep/b%20c.md", "deep/b c.md"),
        ("file:///other.md", "file:///other.md"),
    ],
)
def test_a_path_names_documents_by_whole_segments(uri: str, name: str) -> None:
    relevant = {"docs/a.md": 1.0, "b c.md": 1.0, "deep/b c.md": 1.0, "file:///other.md": 1.0}
    assert Question("q", "?", relevant).name(uri) == name


def test_a_document_is_scored_where_its_best_chunk_stands() -> None:
    question = Question("q", "?", {"a.md": 1.0})
    uris = ["file:///b.md", "file:///b.md", "file:///a.md", "file:///a.md"]
    result = judge(question, uris)
    assert result.ranking == ("file:///b.md", "a.md")
    assert result.metrics["mrr@10"] == 0.5
    assert result.metrics["recall@10"] == 1


@dataclass(frozen=True)
class FixedSearch:
    """Answers each query with the uris given for it."""

    answers: Mapping[str, Sequence[str]]
    index: str = "live"

    def search_all(self, queries: Sequence[str], k: int = 10, *, mode: str = "") -> list[list[Hit]]:
        return [
            [
                Hit(f"{uri}-{place}", uri, uri, "v", "", (), "", 0, 0, 1.0)
                for place, uri in enumerate(self.answers[query][:k])
            ]
            for query in queries
        ]


QUESTIONS = [
    Question("easy", "first?", {"a.md": 1.0}, tags=("fact", "short")),
    Question("hard", "second?", {"b.md": 1.0}, tags=("fact",)),
]
SEARCH = FixedSearch({"first?": ["x/a.md"], "second?": ["x/c.md", "x/b.md"]})


def test_metrics_are_means_over_all_questions_and_over_each_tag() -> None:
    found = evaluate(QUESTIONS, SEARCH)
    assert found.metrics["mrr@10"] == pytest.approx(0.75)
    assert found.by_tag["short"]["mrr@10"] == 1
    assert found.by_tag["fact"]["mrr@10"] == pytest.approx(0.75)
    assert [result.id for result in found.worst(1)] == ["hard"]
    assert found.verdict == "no baseline"


def test_an_evaluation_reports_json_values() -> None:
    report = evaluate(QUESTIONS, SEARCH, baseline={"mrr@10": 0.5}).as_json(questions=True)
    assert json.loads(json.dumps(report)) == report
    assert {"metrics", "baseline", "verdict", "questions", "index"} <= set(report)
    assert report["questions"] == 2


@pytest.mark.parametrize(
    ("value", "expected"), [(0.75, "pass"), (0.77, "pass"), (0.7701, "fail"), (0.9, "fail")]
)
def test_a_metric_may_fall_by_the_tolerance_and_no_further(value: float, expected: str) -> None:
    assert evaluate(QUESTIONS, SEARCH, baseline={"mrr@10": value}).verdict == expected


def test_a_baseline_with_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="The baseline has a metric 'map'"):
        verdict({"mrr@10": 1.0}, {"map": 0.5})


def test_an_evaluation_without_questions_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one question"):
        evaluate([], SEARCH)
