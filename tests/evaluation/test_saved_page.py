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


@pytest.mark.parametrize("name", ["none/such", "../registry.json", "file:///etc/passwd"])
def test_a_page_that_is_not_there_is_told_by_name(judged, world, tmp_path, name):
    with pytest.raises(ConfigurationError, match=f"no page of an evaluation {name!r}"):
        report(world(), name, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_without_any_evaluation_it_says_how_to_make_one(world, inbox, tmp_path):
    with pytest.raises(ConfigurationError, match="python -m include evaluate"):
        report(world(), "", tmp_path / "page.html")
