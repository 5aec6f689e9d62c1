"""A judge: scores that can be used, two versions in one table, and agreement with labels."""

from __future__ import annotations

import json
from argparse import Namespace
from decimal import Decimal

import pytest

from include.answering.forecast import forecast_versions
from include.answering.grading import LABELS, METRICS, agreement, read_score
from include.answering.versions import grade, keep_page
from include.commands.erase import Switches, erase
from include.commands.grade import grade as judged
from include.commands.grade import shown
from include.commands.ingest import sync
from include.errors import ApprovalError, ConfigurationError
from include.spending.ledger import today_utc
from include.storage.files import local_path

CHAT = {"RAG_EMBEDDER": "fake:32", "RAG_CHAT_MODEL": "openai:stand-in-chat"}
VERSIONS = {
    "answer": {"versions": [{"version": "2", "template": "{{ passages | tojson }} {{ question }}"}]}
}


@pytest.mark.parametrize(
    ("metric", "reply", "score"),
    [
        ("faithfulness", '{"statements": [{"supported": true}, {"supported": false}], "score": 1}', 0.5),
        ("faithfulness", '{"statements": [], "score": 0.25}', 0.25),
        ("context_relevance", '```json\n{"passages": [{"grade": 3}, {"grade": 0}], "score": 1}\n```', 0.5),
        ("context_relevance", '{"passages": [{"grade": 9}]}', None),
        ("answer_relevance", '{"score": 1}', 1.0),
        ("answer_relevance", '{"score": 1.5}', None),
        ("answer_relevance", '{"score": true}', None),
        ("answer_relevance", '{"score": NaN}', None),
        ("answer_relevance", "I cannot say.", None),
        ("answer_relevance", "[1]", None),
    ],
)  # fmt: skip
def test_a_score_is_reckoned_from_its_parts_or_refused(metric, reply, score):
    assert read_score(metric, reply) == score


def costs(found):
    return [row["answers_usd"] for row in found["judged"]]


def verdicts(*scores):
    return [json.dumps({"score": score}) for score in scores]


def test_two_versions_of_a_prompt_are_compared_in_one_table(connected, api, inbox):
    (inbox / "retry.md").write_text("# Retry\n\nRetries failing calls with a growing delay.\n")
    platform = connected(**CHAT, AIRFLOW_VAR_PROMPT_TEMPLATES=json.dumps(VERSIONS))
    sync(platform)
    first = ["It retries [1].", *verdicts(0.5, 0.5, 1), "No [1].", *verdicts(0.5, 0, 1)]
    # The passages are the same: their verdict is known, and is not paid for again.
    second = ["Yes [1].", *verdicts(1, 1), "Well [1].", "no verdict", *verdicts(1, 0.5)]
    api.control(chat=[*first, *second])
    forecast = forecast_versions(platform, ["What retries?", "Why?"], ["1", "2"])
    found = grade(platform, ["What retries?", "Why?"], ["1", "2"])
    spent = sum(Decimal(each) for each in (found["judge_usd"], *costs(found)))
    assert (forecast.items, forecast.most.calls) == (4, 28)
    assert forecast.most.cost_usd > spent > 0
    assert [row["prompt_version"] for row in found["judged"]] == ["1", "2"]
    assert [row["faithfulness"] for row in found["judged"]] == [0.5, 1]
    assert [row["answer_relevance"] for row in found["judged"]] == [0.25, 0.75]
    assert found["differences"]["faithfulness"] == {
        "questions": 2,
        "mean": 0.5,
        "low": 0.5,
        "high": 0.5,
    }
    assert "+0.5000 [+0.5000, +0.5000]" in shown(found)
    assert [row["versions"] for row in found["judged"]] == [["1"], ["2"]]
    assert [each["answer"] for each in found["asked"][1]["answers"]] == ["No [1].", "Well [1]."]
    assert found["unusable"] == dict.fromkeys(METRICS, 0)
    assert len(api.rows()) == 2 + 6 + 2 + 5
    entries = list(platform.spending.ledger.entries(today_utc()))
    judged = [e for e in entries if e.purpose.operation == "judge"]
    assert {e.purpose.prompt for e in judged} == {f"judge_{metric}" for metric in METRICS}
    assert f"{sum(e.cost_usd for e in judged):f}" == found["judge_usd"]


def test_a_version_that_there_is_not_is_told_before_anything_is_paid(connected, api, inbox):
    (inbox / "retry.md").write_text("# Retry\n\nRetries failing calls with a growing delay.\n")
    sync(platform := connected(**CHAT))
    with pytest.raises(ConfigurationError, match="no version or label 'candidate'"):
        grade(platform, ["What retries?"], ["production", "candidate"])
    with pytest.raises(ConfigurationError, match="no version or label 'candidate'"):
        forecast_versions(platform, ["What retries?"], ["production", "candidate"])
    assert api.rows() == []


def test_above_approval_usd_nothing_is_asked_and_nothing_judged(connected, api, inbox, tmp_path):
    (inbox / "retry.md").write_text("# Retry\n\nRetries failing calls with a growing delay.\n")
    limit = json.dumps({"approval_usd": "0.0000001"})
    sync(platform := connected(**CHAT, AIRFLOW_VAR_RAG_BUDGETS=limit))
    file = tmp_path / "questions.jsonl"
    file.write_text('{"id": "1", "question": "What retries?", "relevant": {"retry.md": 1}}\n')
    chosen = Namespace(agreement=False, prompt_version=None, most=5, questions=file, report=None)
    for chosen.agreement in (False, True):
        with pytest.raises(ApprovalError, match="--approve-usd"):
            judged(platform, chosen)
    assert api.rows() == []


def test_a_page_of_judged_answers_is_kept_and_goes_with_an_erased_document(connected, api, inbox):
    (inbox / "retry.md").write_text("# Retry\n\nRetries failing calls with a growing delay.\n")
    platform = connected(**CHAT, AIRFLOW_VAR_PROMPT_TEMPLATES=json.dumps(VERSIONS))
    sync(platform)
    api.control(chat=["It retries <calls> [1].", *verdicts(0.5, 0.5, 1), "Yes.", *verdicts(1, 0)])
    uri, html = keep_page(platform, grade(platform, ["What retries?"], ["1", "2"]), "a run")
    assert local_path(uri).read_text() == html
    assert "2 is better in faithfulness, and worse in answer_relevance, beyond chance." in html
    assert "It retries &lt;calls&gt; [1]." in html
    (inbox / "retry.md").unlink()
    receipt, status = erase(platform, (inbox / "retry.md").as_uri(), Switches(False, False))
    assert status == 0, receipt
    assert not local_path(uri).exists()


def test_without_a_chat_model_nothing_is_judged(world):
    with pytest.raises(ConfigurationError, match="RAG_CHAT_MODEL"):
        agreement(world())


def test_agreement_is_told_beyond_chance(connected, api):
    items = [json.loads(line) for line in LABELS.read_text().splitlines()]
    assert len(items) >= 20
    for metric in METRICS:  # labels that say one thing of everything would measure nothing
        assert 3 <= sum(item[metric] for item in items) <= len(items) - 3
    right = [verdicts(item[metric]) for metric in METRICS[:1] for item in items]
    always = verdicts(*[1] * len(items) * 2)
    api.control(chat=[*[one for each in right for one in each], *always])
    found = agreement(connected(**CHAT, RAG_RESPONSE_CACHE_SECONDS="0"))["agreement"]
    assert found["faithfulness"] == {"items": len(items), "agree": 1.0, "kappa": 1.0}
    assert found["answer_relevance"]["kappa"] == 0.0
