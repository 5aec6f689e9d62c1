"""Quarantine: nothing is tried every night, and people's decisions hold for the version they saw."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.commands.ingest import Switches, sync
from include.commands.state import quarantined, review, status
from include.errors import ConfigurationError
from include.stages.review import decide, excerpt, held, undecided
from include.wiring import Platform

NOW = datetime(2026, 11, 21, tzinfo=UTC)
GOOD = "A good document about apples, in a few plain words."
GARBAGE = "A document \ufffd\ufffd\ufffd of \ufffd\ufffd\ufffd\ufffd garbage \ufffd\ufffd\ufffd."


def run(platform: Platform, **options: bool) -> dict[str, object]:
    receipt, _ = sync(platform, Switches(**options))
    return receipt


def titles(platform: Platform) -> set[str]:
    return set(platform.tables.documents.read(["title"])["title"])


@pytest.fixture
def aside(world, inbox: Path) -> Platform:
    """A lake with one document in quarantine, of which an old version is searchable, and others."""
    for name in ("a", "b", "c", "d"):
        (inbox / f"{name}.txt").write_text(f"{GOOD} {name}")
    run(world())
    (inbox / "a.txt").write_text(GARBAGE)
    run(platform := world())
    return platform


def test_the_old_version_stays_searchable_and_status_says_so(aside):
    [document] = held(aside.tables)
    assert (document.reason, document.has_old_version) == ("garbage_text", True)
    shown = status(aside)
    assert (shown["documents"], shown["quarantined"]) == (4, 1)
    assert (shown["undecided"], shown["outdated"]) == (1, 1)


def test_the_same_bad_version_is_not_read_again(world, aside):
    receipt = run(world())
    assert (receipt["held"], receipt["quarantined"]) == (1, 0)
    assert held(aside.tables)[0].tries == 1


def test_a_released_version_passes_the_rules_of_content(world, aside):
    [document] = held(aside.tables)
    review(aside, "release", [document.uri])
    receipt = run(platform := world())
    assert (receipt["changed"], receipt["quarantined"]) == (1, 0)
    assert held(platform.tables) == []
    assert run(world())["published"] == 0


def test_a_release_holds_for_one_version_only(world, inbox, aside):
    review(aside, "release", [held(aside.tables)[0].id])
    run(world())
    (inbox / "a.txt").write_text(GARBAGE + " changed")
    run(platform := world())
    [document] = held(platform.tables)
    assert (document.reason, document.decision) == ("garbage_text", "")


def test_a_release_cannot_make_an_unreadable_file_readable(world, inbox):
    for name in ("a", "b", "c", "d"):
        (inbox / f"{name}.txt").write_text(f"{GOOD} {name}")
    (inbox / "e.md").write_bytes(b"\0\0\0")
    run(platform := world())
    review(platform, "release", [held(platform.tables)[0].id])
    run(platform := world())
    [document] = held(platform.tables)
    assert document.tries == 2
    assert run(world())["held"] == 1


def test_a_dropped_document_leaves_the_index_and_is_not_tried_again(world, aside):
    review(aside, "drop", [held(aside.tables)[0].id])
    receipt = run(platform := world())
    assert receipt["removed"] == 1
    assert "a.txt" not in titles(platform)
    [document] = held(platform.tables)
    assert document.decision == "drop"
    assert run(world())["held"] == 1
    assert len(held(world().tables)) == 1


def test_a_dropped_document_that_changes_comes_back(world, inbox, aside):
    review(aside, "drop", [held(aside.tables)[0].id])
    run(world())
    (inbox / "a.txt").write_text(GOOD + " It is repaired.")
    run(platform := world())
    assert "a.txt" in titles(platform)
    assert held(platform.tables) == []


def test_a_dropped_document_that_is_deleted_is_forgotten(world, inbox, aside):
    review(aside, "drop", [held(aside.tables)[0].id])
    run(world())
    (inbox / "a.txt").unlink()
    run(world())
    assert held(world().tables) == []


def test_a_kept_document_is_not_asked_about_again(world, aside):
    assert len(undecided(aside.tables, 10)) == 1
    review(aside, "keep", [held(aside.tables)[0].id])
    assert undecided(aside.tables, 10) == []
    run(world())
    assert "a.txt" in titles(world())


def test_a_bad_row_that_is_released_is_tried_again(world, inbox):
    (inbox / "rows.csv").write_text(f'id,text\n1,"{GOOD}"\n2,{GARBAGE}\n3,"{GOOD} 3"\n')
    run(platform := world())
    [document] = held(platform.tables)
    assert document.uri.endswith("rows.csv#2")
    review(platform, "release", [document.id])
    receipt = run(platform := world())
    assert receipt["added"] == 1
    assert held(platform.tables) == []


def test_an_unknown_document_is_named_and_nothing_is_decided(aside):
    with pytest.raises(ConfigurationError, match="'nowhere' is not in quarantine"):
        review(aside, "drop", [held(aside.tables)[0].id, "nowhere"])
    assert held(aside.tables)[0].decision == ""
    with pytest.raises(ConfigurationError, match="Nothing to drop"):
        review(aside, "drop", [])


def test_the_excerpt_shows_the_beginning_or_says_why_not(aside, inbox):
    [document] = held(aside.tables)
    assert excerpt(document, aside.reading()) == GARBAGE
    (inbox / "a.txt").write_bytes(b"\0" * 10)
    assert excerpt(document, aside.reading()) == "(10 bytes that are no text.)"
    (inbox / "a.txt").unlink()
    assert "cannot be read now" in excerpt(document, aside.reading())


def test_the_excerpt_of_a_row_is_that_row(world, inbox):
    (inbox / "rows.csv").write_text("id,text\n1,One.\n2,\n3,Three.\n")
    run(platform := world())
    [document] = held(platform.tables)
    assert excerpt(document, platform.reading()) == '{"id": "2", "text": ""}'


def test_decisions_name_who_made_them(aside):
    [document] = held(aside.tables)
    decide(aside.tables, [document.id], "keep", by="Ada", now=NOW)
    [row] = aside.tables.reviews.read().rows(named=True)
    assert (row["by"], row["at"], row["version"]) == ("Ada", NOW, document.version)
    assert quarantined(aside)["items"][0]["decision"] == "keep"
