"""A file of records through the whole pipeline: each row lives and dies on its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.commands.ingest import Switches, sync
from include.commands.state import quarantined
from include.wiring import Platform

ROWS = {str(number): f"Row number {number} speaks of subject {number}." for number in range(20)}


def write(inbox: Path, rows: dict[str, str], extra: str = "") -> None:
    lines = [json.dumps({"id": name, "text": text}) for name, text in rows.items()]
    (inbox / "rows.jsonl").write_text("\n".join(lines) + "\n" + extra)


def run(platform: Platform, **options: bool) -> dict[str, object]:
    receipt, _ = sync(platform, Switches(**options))
    return receipt


def texts(platform: Platform) -> set[str]:
    live = platform.registry.live()
    assert live is not None
    table = platform.database.open(f"chunks_{live.name}")
    return set(table.to_arrow()["text"].to_pylist())


@pytest.fixture
def rows(inbox: Path) -> dict[str, str]:
    write(inbox, ROWS)
    return dict(ROWS)


def test_every_row_is_a_document_with_an_address_of_its_own(world, inbox, rows):
    receipt = run(platform := world())
    assert receipt["added"] == 20
    assert texts(platform) == set(ROWS.values())
    uris = set(platform.tables.documents.read(["uri"])["uri"])
    assert f"{(inbox / 'rows.jsonl').as_uri()}#7" in uris


def test_an_unchanged_file_of_records_is_not_opened_again(world, inbox, rows):
    run(world())
    receipt = run(world())
    assert (receipt["unchanged"], receipt["embedded"], receipt["published"]) == (1, 0, 0)


def test_changing_one_row_embeds_one_text(world, inbox, rows):
    run(world())
    rows["3"] = "Row three is new."
    del rows["4"]
    rows["20"] = "Row twenty is added."
    write(inbox, rows)
    receipt = run(platform := world())
    assert (receipt["changed"], receipt["removed"], receipt["added"]) == (1, 1, 1)
    assert receipt["embedded"] == 2
    assert texts(platform) == set(rows.values())
    assert run(world())["published"] == 0


def test_a_bad_row_is_set_aside_and_its_neighbours_go_in(world, inbox, rows):
    write(inbox, rows, extra="{broken\n")
    receipt = run(platform := world())
    assert (receipt["added"], receipt["quarantined"]) == (20, 1)
    [item] = quarantined(platform)["items"]
    assert item["reason"] == "malformed_row"
    assert "Line 21" in item["detail"]
    assert run(world())["quarantined"] == 0
    write(inbox, rows)
    run(platform := world())
    assert quarantined(platform)["items"] == []


def test_a_row_that_can_no_longer_be_read_stays_searchable_as_it_was(world, inbox, rows):
    run(world())
    del rows["5"]
    write(inbox, rows, extra='{"id": "5", "text": \n')
    run(platform := world())
    assert ROWS["5"] in texts(platform)
    write(inbox, rows)
    run(platform := world())
    assert ROWS["5"] not in texts(platform)


def test_a_file_that_lost_most_of_its_rows_deletes_nothing_without_leave(world, inbox, rows):
    run(world())
    short = {name: rows[name] for name in ("0", "1")}
    write(inbox, short)
    for _ in range(2):
        receipt = run(platform := world())
        assert receipt["withheld"] == 18
        assert texts(platform) == set(ROWS.values())
    receipt = run(platform := world(), allow_deletions=True)
    assert receipt["removed"] == 18
    assert texts(platform) == set(short.values())
    assert run(world())["withheld"] == 0


def test_a_file_that_is_broken_as_a_whole_keeps_all_its_rows(world, inbox, rows):
    run(world())
    (inbox / "rows.jsonl").write_bytes(b"\n")
    receipt = run(platform := world())
    assert receipt["quarantined"] == 1
    assert texts(platform) == set(ROWS.values())


def test_removing_the_file_removes_its_rows_and_what_was_set_aside_of_it(world, inbox, rows):
    write(inbox, rows, extra="{broken\n")
    (inbox / "other.txt").write_text("Something else.")
    run(world())
    (inbox / "rows.jsonl").unlink()
    run(world(), allow_deletions=True)
    run(platform := world())
    assert texts(platform) == {"Something else."}
    assert quarantined(platform)["items"] == []


def test_a_file_of_bad_rows_only_is_not_read_every_night(world, inbox):
    (inbox / "rows.jsonl").write_text("{broken\n")
    (inbox / "other.txt").write_text("Something else.")
    run(world())
    receipt = run(world())
    assert (receipt["held"], receipt["quarantined"]) == (1, 0)
