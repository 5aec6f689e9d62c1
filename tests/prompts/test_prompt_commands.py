"""`prompts` on the command line."""

from __future__ import annotations

import json

import pytest

from include.commands.main import main
from include.deployment import EnvironmentDeployment
from include.settings import Settings
from include.wiring import Platform

TEMPLATE = "=== system ===\nBe brief.\n=== user ===\n{{ question }} {{ passages }}"
GIVEN = {
    "answer": {
        "versions": [
            {"version": 2, "template": TEMPLATE, "created": "2026-11-21", "note": "shorter"},
            {"version": 3, "template": TEMPLATE.replace("brief", "kind")},
        ],
        "labels": {"production": 2, "candidate": 3},
        "split": {"production": 90, "candidate": 10},
    }
}


@pytest.fixture
def shell(environment, monkeypatch, capsys):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, given: object = GIVEN) -> tuple[int, dict, str]:
        monkeypatch.setenv("AIRFLOW_VAR_PROMPT_TEMPLATES", json.dumps(given))
        status = main(["prompts", *arguments, "--json"])
        told = capsys.readouterr()
        return status, json.loads(told.out or "{}"), told.err

    return run


def test_list_prints_the_contract_keys_of_every_prompt(shell):
    status, answer, _ = shell("list")
    assert status == 0
    assert [each["name"] for each in answer["prompts"]] == [
        "answer", "chat", "enrich", "generate_questions", "judge_answer_relevance",
        "judge_context_relevance", "judge_faithfulness"]  # fmt: skip
    first = answer["prompts"][0]
    assert [each["version"] for each in first["versions"]] == ["1", "2", "3"]
    assert first["labels"] == {"production": "2", "candidate": "3"}
    assert first["split"] == {"production": 90, "candidate": 10}
    assert all(each["problem"] is None for each in answer["prompts"])


def test_list_tells_what_is_wrong_with_a_prompt_and_goes_on(shell):
    status, answer, _ = shell("list", given={"answer": {"labels": {"production": "9"}}, "mine": 3})
    assert status == 1
    problems = {each["name"]: each["problem"] for each in answer["prompts"] if each["problem"]}
    assert set(problems) == {"answer", "mine"}
    assert "names '9'" in problems["answer"]


def test_show_prints_the_text_behind_a_label(shell):
    for wanted, version, system in ((), "2", "Be brief."), (("candidate",), "3", "Be kind."):
        status, answer, _ = shell("show", "answer", *wanted)
        assert (status, answer["version"], answer["system"]) == (0, version, system)
        assert answer["prompts"][0]["name"] == "answer"
        assert answer["first_used"] is None


def test_diff_compares_production_with_the_latest_unless_told_otherwise(shell):
    _, answer, _ = shell("diff", "answer")
    assert (answer["from"], answer["to"]) == ("answer@2", "answer@3")
    assert {"-Be brief.", "+Be kind."} <= set(answer["diff"].splitlines())
    assert shell("diff", "answer", "3", "candidate")[1]["diff"] == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show",), "takes the name of a prompt"),
        (("show", "answer", "2", "3"), "up to 1 versions"),
        (("show", "answer", "9"), "the versions 1, 2, 3, the labels production (2), candidate (3)"),
        (("diff", "nothing"), "There is no prompt 'nothing'"),
    ],
)
def test_a_wrong_request_is_a_matter_of_usage(shell, arguments, told):
    status, _, error = shell(*arguments)
    assert status == 2
    assert told in error


def test_the_variable_of_the_deployment_is_used_and_the_use_is_listed(environment, shell):
    settings = Settings.from_environment(environment)
    deployment = EnvironmentDeployment({"AIRFLOW_VAR_PROMPT_TEMPLATES": json.dumps(GIVEN)})
    Platform(settings, deployment).prompts.get("answer")
    versions = shell("list")[1]["prompts"][0]["versions"]
    assert [bool(each["first_used"]) for each in versions] == [False, True, False]
    edited = json.loads(json.dumps(GIVEN).replace("Be brief", "Be rude"))
    status, answer, _ = shell("list", given=edited)
    assert status == 1
    assert "+Be rude." in answer["prompts"][0]["problem"]


def test_people_read_lines(environment, monkeypatch, capsys):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_VAR_PROMPT_TEMPLATES", json.dumps(GIVEN))
    for arguments, told in (
        (["list"], "versions 1, 2, 3; labels production 2, candidate 3; split production 90 %"),
        (["show", "answer"], "=== system ===\nBe brief."),
        (["diff", "answer"], "+Be kind."),
        (["diff", "answer", "2", "2"], "have the same text"),
    ):
        assert main(["prompts", *arguments]) == 0
        assert told in capsys.readouterr().out
