"""The page of an evaluation is taken out of the lake, by any name that people are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.commands.ingest import sync
from include.commands.report import report
from include.errors import ConfigurationError
from include.judging import Asked, golden_questions, judge
from include.storage.files import local_path

FIRST, SECOND = "evaluate_retrieval/manual__2026-01-01T00:00:00+00:00", "evaluate-2"


@pytest.fixture
def judged(world, inbox):
    (inbox / "amber.md").write_text("# About amber\n\nThe amber is described here.\n")
    sync(platform := world())
    questions = golden_questions(platform)
    return [judge(platform, questions, Asked(), run_id) for run_id in (FIRST, SECOND)]


@pytest.mark.parametrize("at", [0, 1])
def test_a_page_is_found_by_its_run_and_by_its_address(judged, world, tmp_path, at):
    page = local_path(judged[at].report).read_text()
    for name in (judged[at].run_id, judged[at].report):
        found = report(world(), name, tmp_path / "page.html")
        assert found == {"report": judged[at].report, "out": str(tmp_path / "page.html")}
        assert (tmp_path / "page.html").read_text() == page


def test_without_a_run_and_for_an_index_it_is_the_latest_page(judged, world, tmp_path):
    for name in ("", world().live_index()):
        assert report(world(), name, tmp_path / "page.html")["report"] == judged[1].report


def test_the_file_is_called_as_the_page_is(judged, world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = Path(report(world(), FIRST)["out"])
    assert out.read_text() == judged[0].html
    assert out.name == local_path(judged[0].report).name


def test_the_page_of_a_gate_is_saved_by_its_address(judged, world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_id = world().registry.last_sync()["run_id"]
    gate = world().artifacts(run_id).write_text("gate.html", "<p>Refused.</p>")
    assert report(world(), gate) == {"report": gate, "out": "gate.html"}
    assert Path("gate.html").read_text() == "<p>Refused.</p>"


@pytest.mark.parametrize("place", ["other.html", "lake/../other.html"])
def test_a_page_outside_of_the_lake_is_not_read(judged, world, tmp_path, place):
    (tmp_path / "other.html").write_text("x")
    with pytest.raises(ConfigurationError, match="A page should be in this lake"):
        report(world(), f"{tmp_path.as_uri()}/{place}", tmp_path / "page.html")


@pytest.mark.parametrize("name", ["none/such", "../registry.json", "file:///etc/passwd"])
def test_a_page_that_is_not_there_is_told_by_name(judged, world, tmp_path, name):
    with pytest.raises(ConfigurationError, match=f"no page of an evaluation {name!r}"):
        report(world(), name, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_without_any_evaluation_it_says_how_to_make_one(world, inbox, tmp_path):
    with pytest.raises(ConfigurationError, match="python -m include evaluate"):
        report(world(), "", tmp_path / "page.html")
