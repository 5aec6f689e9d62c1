"""airflow_settings.yaml, read and loaded without the Astro CLI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.prompts.catalogue import parse
from include.prompts.library import Prompt
from include.settings import Budgets
from tools.console import RefusalError
from tools.load_settings import DEFAULT_FILE, LocalSettings, Pool, parse_settings

REPOSITORY = DEFAULT_FILE.parent


def _shipped() -> LocalSettings:
    return parse_settings(DEFAULT_FILE.read_text())


def test_the_shipped_file_defines_what_the_contract_names() -> None:
    settings = _shipped()
    assert {each.name for each in settings.connections} == {
        "rag_s3",
        "openai_default",
        "redis_default",
        "rag_postgres",
    }
    assert {each.name for each in settings.pools} == {"embedding", "llm"}
    assert set(settings.variables) == {"prompt_templates", "rag_budgets"}


def test_the_shipped_budgets_are_accepted_by_the_platform() -> None:
    budgets = Budgets.parse(json.loads(_shipped().variables["rag_budgets"]))
    assert budgets.daily_usd is not None
    assert 0 < budgets.max_delete_fraction < 1


def test_the_shipped_prompts_are_accepted_and_leave_production_alone() -> None:
    entry = parse(_shipped().variables["prompt_templates"]).get("answer")
    assert entry.get("production").shipped
    candidate = Prompt("answer", "candidate", entry.get("candidate"))
    passage = {"number": 1, "title": "T", "text": "The text."}
    sent = candidate.render({"question": "Why?", "passages": [passage]})
    assert 'number="1">\nT\nThe text.\n</passage-' in sent.user


def test_extras_given_as_a_mapping_become_json() -> None:
    s3 = next(each for each in _shipped().connections if each.name == "rag_s3")
    assert json.loads(s3.extra or "")["endpoint_url"].startswith("http://127.0.0.1")


def test_placeholders_without_a_name_are_skipped_and_an_empty_file_is_fine() -> None:
    text = "airflow:\n  connections:\n    - conn_id:\n      conn_type:\n  pools:\n    - pool_name: p\n      pool_slot: 3\n  variables:\n"
    assert parse_settings(text) == LocalSettings((), (Pool("p", 3, ""),), {})
    assert parse_settings("") == LocalSettings((), (), {})


def test_values_that_yaml_reads_as_numbers_or_structures_stay_text() -> None:
    text = "airflow:\n  variables:\n    - {variable_name: n, variable_value: 5}\n    - {variable_name: j, variable_value: {a: 1}}\n"
    assert parse_settings(text).variables == {"n": "5", "j": '{"a": 1}'}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("airflow: [1", "mapping with the key 'airflow'"),
        ("[]\n- 1", "mapping with the key 'airflow'"),
        ("- a", "mapping with the key 'airflow'"),
        ("airflow:\n  conections: []", "conections"),
        ("airflow:\n  pools: {a: 1}", "list of mappings"),
        ("airflow:\n  pools: [{pool_name: p, pool_slot: many}]", "'many'"),
        ("airflow:\n  connections: [{conn_id: c}]", "conn_type or a conn_uri"),
        ("airflow:\n  connections: [{conn_id: c, conn_type: t, conn_port: x}]", "conn_port 'x'"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(text: str, told: str) -> None:
    with pytest.raises(RefusalError, match=told):
        parse_settings(text)


IN_AIRFLOW = """
import sys
from airflow.models import Connection, Variable, Pool
from airflow.utils import db
from airflow.utils.session import create_session
from tools.load_settings import load_settings, parse_settings, DEFAULT_FILE
db.initdb()
settings = parse_settings(DEFAULT_FILE.read_text())
print(len(load_settings(settings)))
with create_session() as session:
    session.query(Variable).filter(Variable.key == "prompt_templates").delete()
    session.query(Pool).filter(Pool.pool == "embedding").update({"slots": 9})
print(load_settings(settings))
with create_session() as session:
    print(session.query(Pool).filter(Pool.pool == "embedding").one().slots)
    print(session.query(Connection).filter(Connection.conn_id == "rag_s3").one().get_extra_dejson()["region_name"])
"""


@pytest.mark.slow
def test_loading_creates_what_is_missing_and_keeps_what_was_edited(tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")
    }
    environment |= {"AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", IN_AIRFLOW],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-4:] == ["8", "['variable prompt_templates']", "9", "us-east-1"]
