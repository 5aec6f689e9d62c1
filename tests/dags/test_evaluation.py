"""A candidate is judged, promoted, or refused and decided about by a person."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from include.commands.ingest import sync
from include.commands.reembed import reembed
from include.indexes import of_values
from include.judging import Asked, golden_questions, judge, to_judge
from include.storage.files import local_path
from tests.conftest import World
from tests.dags.test_dags import fake_world, pytestmark, run, states  # noqa: F401

WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heron", "iris", "jade")
SAME_VECTORS = {"RAG_CHUNK_TOKENS": "60"}
ALL_ALIKE = {"RAG_EMBEDDER": "fake:1"}


@pytest.fixture
def corpus(inbox):
    for word in WORDS:
        (inbox / f"{word}.md").write_text(f"# About {word}\n\nThe {word} is described here.\n")
    return inbox


def candidate(world: World, values: dict[str, str]) -> str:
    """The name of a new index that lacks nothing."""
    other = of_values(world(), values)
    reembed(other)
    return other.index_name


def by_hand(dag: Any, **conf: Any) -> tuple[str, dict[str, Any]]:
    return run(dag, skip="ask", **{"index": "", "promote": True, **conf})


def test_a_candidate_that_passes_goes_live_and_one_that_is_refused_does_not(
    dags,
    fake_world,  # noqa: F811
    corpus,
    world,
):
    sync(world())
    name = candidate(world, SAME_VECTORS)
    state, tasks = by_hand(dags["evaluate_retrieval"])
    assert (state, states(tasks, "ask"), states(tasks, "promote")) == (
        "success", {"skipped"}, {"success"},
    )  # fmt: skip
    live = world().registry.live()
    assert (live.name, live.evaluation["verdict"]) == (name, "pass")
    assert live.promotion["by"].startswith("evaluate_retrieval/")
    assert live.promotion["overruled"] == ""
    page = local_path(live.evaluation["report"]).read_text()
    assert "Verdict: pass" in page
    worse = candidate(world, ALL_ALIKE)
    state, tasks = by_hand(dags["evaluate_retrieval"])
    assert (state, len(tasks["ask"]), states(tasks, "promote")) == ("success", 1, {"skipped"})
    assert world().registry.live().name == name
    refused = world().registry.get(worse)
    assert (refused.state, refused.evaluation["verdict"]) == ("candidate", "refuse")
    assert refused.evaluation["declined"]["by"].startswith("nobody")
    state, tasks = by_hand(dags["evaluate_retrieval"], index=name)
    assert (state, states(tasks, "promote")) == ("success", {"skipped"})


@pytest.fixture
def in_a_task(airflow_home, environment, monkeypatch):
    """Settings, and a task to be in."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    from airflow.sdk.execution_time.context import set_current_context

    from include.orchestration import connecting

    monkeypatch.setattr(connecting.Variable, "get", lambda *_, **__: None)
    context: Any = {"dag": SimpleNamespace(dag_id="evaluate_retrieval"), "run_id": "0"}
    with set_current_context(context):
        yield


def evaluated(index: str = "", events: Any = None, *, retry: bool = False) -> dict[str, Any]:
    """What the task returns, as a run of its own unless it is a `retry`."""
    from airflow.sdk import get_current_context

    from include.orchestration import judging

    context: Any = get_current_context()
    context["run_id"] = str(int(context["run_id"]) + (not retry))
    return judging.evaluate({"index": index}, events)


def answer(choice: str, reason: str = "") -> list[dict[str, Any]]:
    person = {"id": "1", "name": "ada"}
    return [
        {
            "chosen_options": [choice],
            "params_input": {"reason": reason},
            "responded_by_user": person,
        }
    ]


def test_a_person_who_overrules_the_gate_is_recorded_by_name(corpus, world, in_a_task):
    from include.orchestration import judging

    sync(world())
    worse = candidate(world, ALL_ALIKE)
    found = evaluated()
    (question,) = judging.doubts(found, promote=True)
    assert worse in question["subject"]
    assert "share their vector" in question["body"]
    assert "| ndcg@10 |" in question["body"]
    assert "`python -m include report evaluate_retrieval/1`" in question["body"]
    said = judging.promote(found, answer(judging.PROMOTE, "it is only a demo"), wanted=True)
    assert (said["live"], said["by"]) == (worse, "ada")
    live = world().registry.live()
    assert (live.name, live.promotion["overruled"]) == (worse, "ada: it is only a demo")


def test_who_declines_is_recorded_and_not_asked_again_by_every_ingestion(corpus, world, in_a_task):
    from airflow.sdk.exceptions import AirflowSkipException

    from include.orchestration import judging

    sync(world())
    worse = candidate(world, ALL_ALIKE)
    assert to_judge(world(), (), by_hand=False).index == worse
    found = evaluated()
    with pytest.raises(AirflowSkipException, match="not promoted by ada"):
        judging.promote(found, answer(judging.KEEP), wanted=True)
    assert world().registry.get(worse).evaluation["declined"]["by"] == "ada"
    assert to_judge(world(), (), by_hand=False).index is None
    assert to_judge(world(), [worse], by_hand=False).index == worse
    assert to_judge(world(), (), by_hand=True).index == worse


def test_with_two_candidates_a_person_chooses(corpus, world, in_a_task):
    from include.orchestration import judging

    sync(world())
    other = candidate(world, SAME_VECTORS)
    good = candidate(world, {"RAG_CHUNK_TOKENS": "70"})
    found = evaluated(good)
    assert found["verdict"] == "pass"
    (question,) = judging.doubts(found, promote=True)
    assert "another candidate" in question["body"]
    assert judging.doubts(found, promote=False) == []
    world().registry.update(other, evaluation={"verdict": "refuse"})
    assert judging.doubts(found, promote=True) == []


def test_an_event_that_changes_nothing_costs_no_evaluation(corpus, world, in_a_task):
    from airflow.sdk.exceptions import AirflowSkipException

    from include.orchestration.assets import CHUNK_INDEX

    sync(world())
    events = {CHUNK_INDEX: [SimpleNamespace(extra={})]}
    assert evaluated(events=events)["verdict"] == "no baseline"
    assert evaluated(events=events, retry=True)["questions"] == 10
    with pytest.raises(AirflowSkipException, match="Neither index nor questions"):
        evaluated(events=events)
    assert world().tables.evaluations.count() == 1
    (corpus / "kelp.md").write_text("# About kelp\n\nThe kelp is described here.\n")
    sync(world())
    assert evaluated(events=events)["questions"] == 11
    assert world().tables.evaluations.count() == 2


def test_dimensions_and_bits_are_tried_when_that_is_asked_for(corpus, world, in_a_task):
    from include.orchestration import judging

    sync(world())
    found = judging.evaluate({"index": "", "options": True}, None)
    assert "Fewer dimensions, fewer bits" in local_path(found["report"]).read_text()
    assert "Fewer dimensions" not in local_path(evaluated()["report"]).read_text()


def test_a_live_index_that_got_worse_fails_with_its_figures(
    corpus, world, in_a_task, monkeypatch, tmp_path
):
    from include.errors import GateError
    from include.orchestration import judging

    lines = [
        f'{{"id": "{word}", "question": "{word}", "relevant": {{"{word}.md": 1}}}}'
        for word in WORDS
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    monkeypatch.setenv("RAG_GOLDEN_QUESTIONS", str(tmp_path / "questions.jsonl"))
    sync(world())
    assert judging.doubts(evaluated(), promote=True) == []
    assert evaluated()["verdict"] == "pass"
    for word in WORDS[:5]:
        (corpus / f"{word}.md").unlink()
    sync(world())
    shown = r"recall@10 0\.5000 \(before 1\.0000\).*python -m include report evaluate_retrieval/3"
    with pytest.raises(GateError, match=shown):
        judging.doubts(evaluated(), promote=True)


def test_a_page_that_quotes_an_erased_document_goes_with_it(corpus, world):
    from include.commands.erase import Switches, erase

    sync(platform := world())
    judged = judge(platform, golden_questions(platform), Asked(), "one")
    page = local_path(judged.report)
    assert "About amber" in page.read_text()
    (corpus / "amber.md").unlink()
    receipt, status = erase(platform, (corpus / "amber.md").as_uri(), Switches(False, False))
    assert status == 0, receipt
    assert not page.exists()


def test_a_backfill_without_a_target_fails_while_a_night_without_one_skips(
    corpus, world, in_a_task
):
    from airflow.sdk import get_current_context
    from airflow.sdk.exceptions import AirflowSkipException

    from include.errors import ConfigurationError
    from include.orchestration.reembedding import plan_share

    sync(world())
    nothing = {"target": "", "first_day": "", "last_day": ""}
    context: Any = get_current_context()
    context["dag_run"] = SimpleNamespace(run_type="scheduled")
    with pytest.raises(AirflowSkipException, match="No index is being built"):
        plan_share(nothing, "2026-01-01")
    context["dag_run"] = SimpleNamespace(run_type="backfill")
    with pytest.raises(ConfigurationError, match="Override parameters on existing runs"):
        plan_share(nothing, "2026-01-01")


NIGHT = {"target": "", "first_day": "", "last_day": "", "batch_api": False}


@pytest.mark.parametrize("later", [[], [{"RAG_CHUNK_TOKENS": "70"}]], ids=["previous", "retired"])
def test_settings_that_lag_behind_a_switch_make_no_night_fill_what_was_live(
    corpus, world, in_a_task, later
):
    from airflow.sdk.exceptions import AirflowSkipException

    from include.orchestration.reembedding import plan_share

    sync(platform := world())
    for values in [SAME_VECTORS, *later]:
        platform.registry.promote(candidate(world, values))
    before = world().registry.read()
    with pytest.raises(AirflowSkipException, match="No index is being built"):
        plan_share(NIGHT, "2026-01-01")
    assert world().registry.read() == before


def test_a_target_is_what_differs_from_the_live_index(corpus, world, in_a_task):
    from include.orchestration.reembedding import plan_share

    sync(platform := world())
    platform.registry.promote(candidate(world, SAME_VECTORS))
    planned = plan_share(NIGHT | {"target": "RAG_EMBEDDER=fake:48"}, None)
    assert planned["values"].items() >= {**SAME_VECTORS, "RAG_EMBEDDER": "fake:48"}.items()
