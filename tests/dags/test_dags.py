"""The Dags: their form, and real runs through `dag.test()` on the real stages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.dags.conftest import forget_params

REPOSITORY = Path(__file__).resolve().parents[2]
TAGS = {"ingestion", "source", "index", "maintenance", "quality", "review", "backfill", "llm"}
DAGS = [
    "sync_source", "watch_source", "ingest_documents", "maintain_index", "review_quarantine",
    "reembed_corpus", "switch_index", "answer_questions", "enrich_documents", "review_golden",
    "evaluate_retrieval", "evaluate_candidate", "compare_prompts",
]  # fmt: skip
HEAVY = (
    "torch", "sentence_transformers", "transformers", "great_expectations", "lancedb", "openai",
    "openvino", "onnxruntime", "pandas", "polars", "docutils", "selectolax", "tokenizers",
)  # fmt: skip

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.xdist_group("airflow"),
]


@pytest.fixture
def fake_world(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def run(dag: Any, skip: str | None = None, **conf: Any) -> tuple[str, dict[str, Any]]:
    """Runs a Dag in this process; returns its state and its task instances by task id.

    Tasks whose id matches `skip` are taken for done.
    """
    dag_run = dag.test(run_conf=conf or None, mark_success_pattern=skip)
    forget_params(dag)
    tasks: dict[str, list[Any]] = {}
    for instance in dag_run.get_task_instances():
        tasks.setdefault(instance.task_id, []).append(instance)
    return str(dag_run.state), tasks


def states(tasks: dict[str, Any], task_id: str) -> set[str]:
    return {str(instance.state) for instance in tasks[task_id]}


def test_the_bundle_holds_exactly_the_documented_dags(dags):
    assert set(dags) == set(DAGS)


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_dag_is_a_runbook_with_owner_tags_retries_and_timeouts(dags, dag_id):
    dag = dags[dag_id]
    for question in ("What it does", "When it runs", "When it fails", "Who cares"):
        assert f"\n### {question}\n\n" in dag.doc_md
    assert dag.description == dag.doc_md.partition("\n")[0].replace("`", "")
    assert set(dag.tags) <= TAGS
    for task in dag.tasks:
        assert task.owner == "data-platform"
        assert task.retries >= 1
        if task.task_id not in ("ask", "approve"):  # a person's time to answer is not an execution
            assert task.execution_timeout is not None
            assert task.doc or task.python_callable.__doc__


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_task_shows_what_it_paid_however_it_ends(dags, dag_id):
    for task in dags[dag_id].tasks:
        for end in ("success", "failure", "retry", "skipped"):
            # A mapped task keeps it in what it is made with.
            held = getattr(task, "partial_kwargs", None) or vars(task)
            callback = held[f"on_{end}_callback"]
            callback = callback[0] if isinstance(callback, list) else callback
            assert callback.func.__module__ == "include.orchestration.callbacks"


def test_no_dag_file_is_longer_than_ninety_lines():
    for file in (REPOSITORY / "dags").glob("*.py"):
        assert len(file.read_text().splitlines()) <= 92, file.name


def test_parsing_the_dags_imports_nothing_heavy(airflow_home):
    code = (
        "import sys, runpy, pathlib; sys.path.insert(0, sys.argv[1]); import airflow.sdk\n"
        "before = set(sys.modules)\n"
        "for f in sorted(pathlib.Path(sys.argv[1], 'dags').glob('*.py')): runpy.run_path(str(f))\n"
        f"print([m for m in {HEAVY!r} if m in set(sys.modules) - before])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(REPOSITORY)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_ingestion_without_an_event_makes_its_own_plan_and_publishes(dags, fake_world, inbox):
    (inbox / "one.md").write_text("# One\n\nThe first document.\n\n# Two\n\nMore of it.\n")
    state, tasks = run(dags["ingest_documents"])
    assert state == "success"
    assert states(tasks, "embed") == {"success"}
    assert states(tasks, "publish") == {"success"}


def test_ingestion_of_an_unchanged_source_skips_everything_and_says_why(
    dags, fake_world, inbox, caplog
):
    (inbox / "one.md").write_text("# One\n\nThe first document.\n")
    run(dags["ingest_documents"])
    caplog.set_level("INFO", "rag")
    state, tasks = run(dags["ingest_documents"])
    told = [each.message for each in caplog.records if each.name == "rag"]
    assert "Source and manifest agree: nothing to ingest, nothing embedded." in told
    assert state == "success"
    assert {str(i.state) for instances in tasks.values() for i in instances} == {"skipped"}


def test_ingestion_of_known_texts_publishes_without_an_embed_task(dags, fake_world, inbox):
    (inbox / "one.md").write_text("# One\n\nThe first document.\n")
    run(dags["ingest_documents"])
    (inbox / "one.md").rename(inbox / "two.md")
    state, tasks = run(dags["ingest_documents"])
    assert state == "success"
    assert states(tasks, "embed") == {"skipped"}
    assert states(tasks, "publish") == {"success"}


def test_sync_source_announces_changes_and_stays_silent_without(dags, fake_world, inbox):
    (inbox / "one.txt").write_text("The first document.")
    _, tasks = run(dags["sync_source"])
    assert states(tasks, "announce") == {"success"}
    run(dags["ingest_documents"])
    _, tasks = run(dags["sync_source"])
    assert states(tasks, "announce") == {"skipped"}


def test_looking_only_wakes_nobody(dags, fake_world, inbox):
    (inbox / "one.txt").write_text("The first document.")
    _, tasks = run(dags["sync_source"], look_only=True)
    assert states(tasks, "announce") == {"skipped"}


def test_withheld_deletions_fail_the_run_after_publishing_the_rest(dags, fake_world, inbox):
    for number in range(6):
        (inbox / f"{number}.txt").write_text(f"Document number {number}.")
    run(dags["ingest_documents"])
    for number in range(5):
        (inbox / f"{number}.txt").unlink()
    (inbox / "new.txt").write_text("A new document.")
    state, tasks = run(dags["ingest_documents"])
    assert state == "failed"
    assert states(tasks, "publish") == {"success"}
    assert states(tasks, "withheld") == {"failed"}
    state, _ = run(dags["ingest_documents"], allow_deletions=True)
    assert state == "success"


def test_a_missing_source_fails_at_once_without_retries(dags, fake_world, inbox):
    inbox.rmdir()
    state, tasks = run(dags["sync_source"])
    assert state == "failed"
    assert tasks["list_source"][0].try_number == 1


def test_reviewers_are_woken_only_when_something_is_set_aside(dags, fake_world, inbox):
    (inbox / "one.txt").write_text("The first document.")
    _, tasks = run(dags["ingest_documents"])
    assert states(tasks, "tell_reviewers") == {"skipped"}
    (inbox / "two.md").write_bytes(b"\0\0")
    _, tasks = run(dags["ingest_documents"])
    assert states(tasks, "tell_reviewers") == {"success"}


def test_a_review_asks_about_each_document_once(dags, fake_world, inbox, world):
    _, tasks = run(dags["review_quarantine"])
    assert states(tasks, "collect") == {"skipped"}
    (inbox / "one.txt").write_text("The first document.")
    for name in ("two", "three"):
        (inbox / f"{name}.md").write_bytes(b"\0\0")
    run(dags["ingest_documents"])
    state, tasks = run(dags["review_quarantine"], skip="ask")
    assert state == "success"
    assert len(tasks["ask"]) == 2
    assert states(tasks, "decide") == {"skipped"}


def test_maintenance_runs_on_a_used_lake(dags, fake_world, inbox):
    (inbox / "one.txt").write_text("The first document.")
    run(dags["ingest_documents"])
    state, tasks = run(dags["maintain_index"])
    assert state == "success"
    assert states(tasks, "verify") == {"success"}


def test_maintenance_fails_on_a_lake_that_contradicts_itself_until_it_is_repaired(
    dags, fake_world, inbox, world
):
    (inbox / "one.txt").write_text("The first document.")
    run(dags["ingest_documents"])
    lake = world()
    lake.database.open(f"chunks_{lake.index_name}").delete("true")
    state, tasks = run(dags["maintain_index"])
    assert state == "failed"
    assert states(tasks, "verify") == {"failed"}
    assert tasks["verify"][0].try_number == 1
    state, _ = run(dags["maintain_index"], repair=True)
    assert state == "success"
    run(dags["ingest_documents"])
    state, _ = run(dags["maintain_index"])
    assert state == "success"
    [report] = world().lake.run_artifacts("verification.json")[-1:]
    assert b'"documents": 1' in world().lake.objects.read(report).data


def test_another_index_is_filled_switched_to_and_rolled_back(dags, fake_world, inbox, world):
    (inbox / "one.txt").write_text("A text about apples. " * 5)
    run(dags["ingest_documents"])
    before = world().registry.live()
    state, tasks = run(dags["reembed_corpus"], target="RAG_EMBEDDER=fake:48")
    assert (state, states(tasks, "announce")) == ("success", {"success"})
    (candidate,) = [each for each in world().registry.indexes() if each.state == "candidate"]
    assert (candidate.documents, candidate.missing) == (1, 0)
    (inbox / "two.txt").write_text("A text about birches. " * 5)
    _, tasks = run(dags["ingest_documents"])
    assert states(tasks, "keep_others") == {"success"}
    assert world().store.count(candidate.name) == world().store.count(before.name)
    assert run(dags["switch_index"], to=candidate.name)[0] == "failed"
    assert run(dags["switch_index"], to=candidate.name, reason="we tried it")[0] == "success"
    live = world().registry.live()
    assert (live.name, live.promotion["overruled"]) == (candidate.name, "we tried it")
    (inbox / "three.txt").write_text("A text about cedars. " * 5)
    assert run(dags["ingest_documents"])[0] == "success"
    assert world().store.count(candidate.name) > world().store.count(before.name)
    assert run(dags["switch_index"], to="previous", reason="")[0] == "success"
    assert run(dags["ingest_documents"])[0] == "success"
    assert world().registry.live().name == before.name
    assert world().store.count(candidate.name) == world().store.count(before.name)


def test_nothing_to_fill_skips_and_a_day_without_documents_fills_nothing(dags, fake_world, inbox):
    (inbox / "one.txt").write_text("A text about apples. " * 5)
    run(dags["ingest_documents"])
    nothing = {"target": "", "first_day": "", "last_day": ""}
    _, tasks = run(dags["reembed_corpus"], **nothing)
    assert states(tasks, "plan") == {"skipped"}
    other = {"target": "RAG_EMBEDDER=fake:24", "first_day": "2020-01-01", "last_day": "2020-01-02"}
    state, tasks = run(dags["reembed_corpus"], **other)
    assert (state, states(tasks, "announce")) == ("success", {"skipped"})
    assert run(dags["reembed_corpus"], target="RAG_EMBEDDER=fake:32")[0] == "failed"
    assert run(dags["reembed_corpus"], target="RAG_LAKE_URI=file:///x")[0] == "failed"


def test_a_wrong_setting_is_told_by_name(dags, fake_world, inbox, monkeypatch, capsys):
    monkeypatch.setenv("RAG_CHUNK_TOKENS", "many")
    state, _ = run(dags["sync_source"])
    assert state == "failed"


def test_settings_file_for_people_is_valid_json_in_its_variables():
    import yaml

    loaded = yaml.safe_load((REPOSITORY / "airflow_settings.yaml").read_text())
    for variable in loaded["airflow"]["variables"]:
        value = variable["variable_value"]
        json.loads(value) if isinstance(value, str) else value
