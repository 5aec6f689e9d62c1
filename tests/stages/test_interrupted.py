"""A publish that died between its commit and the manifest, and a source that moved on since."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from include.commands.ingest import Switches, plan, sync
from include.wiring import Platform

PARAGRAPH = "Every {0} paragraph speaks of its {0} subject alone, in a few plain words about {0}."
LONG_AGO, LATER = 1_767_225_600, 1_767_229_200


def write(file: Path, *subjects: str, at: int = LONG_AGO) -> Path:
    file.write_text("\n\n".join(PARAGRAPH.format(subject) for subject in subjects))
    os.utime(file, (at, at))
    return file


def die_before_the_record(platform: Platform, monkeypatch: pytest.MonkeyPatch, **options: bool):
    with monkeypatch.context() as patch:
        patch.setattr(
            "include.stages.publish.record", lambda *_, **__: (_ for _ in ()).throw(DiedError)
        )
        with pytest.raises(DiedError):
            sync(platform, Switches(**options))


class DiedError(Exception):
    pass


def content(platform: Platform) -> set[tuple[str, str]]:
    live = platform.registry.live()
    assert live is not None
    return set(platform.store.rows(live.name).select("id", "row_hash").iter_rows())


@pytest.fixture
def fresh(world, inbox):
    """What an ingest of the source into an empty lake gives."""

    def make(**changed: str) -> set[tuple[str, str]]:
        lake = (inbox.parent / "fresh").as_uri()
        sync(platform := world(RAG_LAKE_URI=lake, **changed))
        return content(platform)

    return make


def test_a_document_that_only_a_dead_run_knew_is_retracted(world, inbox, fresh, monkeypatch):
    write(inbox / "apple.txt", "apple")
    sync(world())
    new = write(inbox / "birch.txt", "birch")
    die_before_the_record(world(), monkeypatch)
    new.unlink()
    receipt, status = sync(platform := world())
    assert (receipt["retracted"], status) == (1, 0)
    assert content(platform) == fresh()


def test_even_of_a_first_run(world, inbox, fresh, monkeypatch):
    write(inbox / "apple.txt", "apple")
    new = write(inbox / "birch.txt", "birch")
    die_before_the_record(world(), monkeypatch)
    new.unlink()
    sync(platform := world())
    assert content(platform) == fresh()


@pytest.mark.parametrize("at", [LONG_AGO, LATER], ids=["same time", "new time"])
def test_an_edit_that_is_taken_back_is_taken_back_in_the_index(
    world, inbox, fresh, monkeypatch, at
):
    file = write(inbox / "apple.txt", "apple", at=LONG_AGO)
    write(inbox / "birch.txt", "birch")
    sync(world())
    write(file, "another", at=LATER - 60)
    die_before_the_record(world(), monkeypatch)
    write(file, "apple", at=at)
    receipt, _ = sync(platform := world())
    assert content(platform) == fresh()
    assert receipt["embedded"] == 0


def test_a_document_that_is_gone_and_comes_back_is_in_the_index_again(
    world, inbox, fresh, monkeypatch
):
    write(inbox / "apple.txt", "apple")
    file = write(inbox / "birch.txt", "birch")
    sync(world())
    file.unlink()
    die_before_the_record(world(), monkeypatch)
    write(file, "birch")
    receipt, _ = sync(platform := world())
    assert content(platform) == fresh()
    assert receipt["embedded"] == 0


def test_rows_that_left_their_file_meanwhile_are_retracted(world, inbox, fresh, monkeypatch):
    write(inbox / "apple.txt", "apple")
    sync(world())
    rows = inbox / "rows.jsonl"
    rows.write_text(
        '{"id": "1", "text": "The first row is long."}\n{"id": "2", "text": "Second."}\n'
    )
    die_before_the_record(world(), monkeypatch)
    rows.write_text('{"id": "1", "text": "The first row is long."}\n')
    sync(platform := world())
    assert content(platform) == fresh()


def test_a_rebuild_that_died_leaves_nothing_of_what_is_gone_since(world, inbox, fresh, monkeypatch):
    write(inbox / "apple.txt", "apple")
    gone = write(inbox / "birch.txt", "birch")
    sync(world())
    die_before_the_record(world(RAG_CHUNK_TOKENS="40"), monkeypatch, rebuild=True)
    gone.unlink()
    sync(world(), Switches(allow_deletions=True))
    sync(platform := world(RAG_CHUNK_TOKENS="40"), Switches(rebuild=True))
    assert content(platform) == fresh(RAG_CHUNK_TOKENS="40")


def test_a_plan_sees_it_and_changes_nothing(world, inbox, monkeypatch):
    write(inbox / "apple.txt", "apple")
    sync(world())
    new = write(inbox / "birch.txt", "birch")
    die_before_the_record(world(), monkeypatch)
    new.unlink()
    planned = plan(platform := world())
    assert planned["removed"] == 1
    assert len(content(platform)) == 2
    assert len(platform.publishing.marks()) == 1


def test_the_mark_goes_with_the_record_and_a_settled_lake_has_none(world, inbox, monkeypatch):
    write(inbox / "apple.txt", "apple")
    sync(platform := world())
    assert platform.publishing.marks() == []
    write(inbox / "apple.txt", "more", at=LATER)
    die_before_the_record(world(), monkeypatch)
    assert len(platform.publishing.marks()) == 1
    sync(world())
    assert len(platform.publishing.marks()) == 1, "that run may still be at work"
    monkeypatch.setattr("include.storage.publishing.AT_WORK_SECONDS", -1)
    sync(world())
    assert platform.publishing.marks() == []


def test_a_large_deletion_is_still_withheld_after_a_crash(world, inbox, monkeypatch):
    for name in "abcdefgh":
        write(inbox / f"{name}.txt", name)
    sync(world())
    new = write(inbox / "new.txt", "new")
    die_before_the_record(world(), monkeypatch)
    for name in "abcdefg":
        (inbox / f"{name}.txt").unlink()
    new.unlink()
    receipt, status = sync(platform := world())
    assert (receipt["withheld"], receipt["retracted"], status) == (7, 1, 1)
    assert len(content(platform)) == 8


def test_an_index_that_is_filled_again_forgets_what_went_while_it_was_not_live(world, inbox, fresh):
    write(inbox / "apple.txt", "apple")
    gone = write(inbox / "birch.txt", "birch")
    sync(world())
    sync(world(RAG_CHUNK_TOKENS="40"), Switches(rebuild=True))
    gone.unlink()
    sync(world(RAG_CHUNK_TOKENS="40"))
    sync(platform := world(), Switches(rebuild=True))
    assert content(platform) == fresh()
