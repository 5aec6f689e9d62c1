"""The page of two versions of a prompt: what it says beyond chance, and nobody's markup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from include.evaluation.prompt_page import Found, name_of, page, summary

METRICS = ("faithfulness", "answer_relevance")
BETTER, WORSE, CHANCE = (
    {"questions": 9, "mean": mean, "low": mean - 0.1, "high": mean + 0.1} for mean in (0.3, -0.3, 0)
)
HARM = "<script>alert(1)</script>"


def judged(
    differences: dict[str, Any] | None, names: tuple[str, ...] = ("1", "2")
) -> dict[str, Any]:
    row = {"answers_usd": "0.1", "input_tokens": 1200, "output_tokens": 30}
    scores = {"faithfulness": 0.5, "answer_relevance": None}
    answer = {"answer": HARM, "uris": ["file:///a.md"], **scores}
    return {
        "judged": [{"prompt_version": n, "versions": [n], **row, **scores} for n in names],
        "questions": 9,
        "differences": differences,
        "judge": HARM,
        "judge_usd": "0.2",
        "unusable": {"faithfulness": 0, "answer_relevance": 9},
        "asked": [{"question": HARM, "answers": [answer for _ in names]}],
    }


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ({"faithfulness": BETTER}, "2 is better in faithfulness, beyond chance."),
        (
            {"faithfulness": WORSE, "answer_relevance": WORSE},
            "2 is worse in faithfulness and answer_relevance, beyond chance.",
        ),
        (
            {"faithfulness": BETTER, "answer_relevance": WORSE},
            "2 is better in faithfulness, and worse in answer_relevance, beyond chance.",
        ),
        ({"faithfulness": CHANCE}, "No difference beyond chance over 9 questions."),
        ({}, "No question was judged for both versions."),
        (None, "One version alone: there is nothing to hold it against."),
    ],
)
def test_what_can_be_said_beyond_chance_is_one_sentence(differences, said):
    assert summary(judged(differences), METRICS) == said


@pytest.mark.parametrize("differences", [{"faithfulness": BETTER}, {}, None])
def test_a_page_shows_text_of_others_as_text(differences):
    names = ("1",) if differences is None else ("1", "2")
    found = Found("answer", judged(differences, names), METRICS, "run", datetime.now(UTC))
    html = page(found)
    assert HARM not in html
    assert html.count("&lt;script&gt;") >= 3
    assert "file:///a.md" in html
    assert "9 verdicts could not be used" in html


def test_a_label_is_shown_with_the_version_behind_it():
    assert (
        name_of({"prompt_version": "candidate", "versions": ["short-1"]}) == "candidate (short-1)"
    )
    assert name_of({"prompt_version": "2", "versions": ["2"]}) == "2"
