"""The log of real queries: off unless asked for, whole among many writers, and never in the way."""

from __future__ import annotations

import multiprocessing
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from include.commands.main import main
from include.errors import LakeError
from include.storage.objects import LocalObjects
from include.storage.query_log import Outcome, QueryLog, query_hash, read_line
from include.storage.segments import SEGMENT_LINES

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = NOON.date()
FOUND = Outcome("search", "an-index", "hybrid", 10, (0.75, 0.5), 0.0123)


def log(folder: Path, keeps: str = "text", at: datetime = NOON) -> QueryLog:
    return QueryLog(lambda: LocalObjects(folder), keeps, clock=lambda: at)


def texts(folder: Path) -> list[str]:
    return sorted(query.text for query in log(folder).queries(DAY, DAY))


def test_a_query_is_kept_with_how_it_went_and_nothing_else(tmp_path):
    log(tmp_path).note("How are keys rotated?", FOUND)
    (query,) = log(tmp_path).queries(DAY)
    assert (query.text, query.at, query.kind, query.index) == (
        "How are keys rotated?", NOON, "search", "an-index",
    )  # fmt: skip
    assert (query.mode, query.k, query.hits, query.top_score) == ("hybrid", 10, 2, 0.75)
    assert query.seconds == 0.0123


def test_without_hits_there_is_no_best_score(tmp_path):
    log(tmp_path).note("nothing", Outcome("ask", "i", "text", 5, (), 0.1))
    (query,) = log(tmp_path).queries(DAY)
    assert (query.hits, query.top_score) == (0, None)


def test_nothing_is_written_and_no_lake_opened_while_it_is_off():
    def never() -> LocalObjects:
        raise AssertionError("the lake was opened")

    QueryLog(never, "off").note("a secret", FOUND)


def test_a_hashed_log_holds_no_word_and_still_tells_what_is_repeated(tmp_path):
    held = log(tmp_path, "hashed")
    for text in ("Rotate  the keys", "rotate the KEYS", "something else"):
        held.note(text, FOUND)
    raw = b"".join(file.read_bytes() for file in tmp_path.rglob("*.jsonl"))
    assert b"otate" not in raw
    assert b"KEYS" not in raw
    hashes = [query.hash for query in held.queries(DAY)]
    assert (len(hashes), len(set(hashes))) == (3, 2)
    assert query_hash("Rotate  the keys") in hashes


def _write_many(folder: Path, number: int) -> None:
    held = log(folder)
    for at in range(number):
        held.note(f"query {at}", FOUND)


def test_writers_of_several_threads_and_processes_lose_nothing(tmp_path):
    held = log(tmp_path)
    threads = [
        threading.Thread(target=lambda: [held.note(f"{n}", FOUND) for n in range(40)])
        for _ in range(3)
    ]
    context = multiprocessing.get_context("forkserver")
    others = [context.Process(target=_write_many, args=(tmp_path, 40)) for _ in range(2)]
    for each in (*threads, *others):
        each.start()
    for each in (*threads, *others):
        each.join()
    assert len(texts(tmp_path)) == 200


def test_a_segment_is_bounded(tmp_path):
    _write_many(tmp_path, SEGMENT_LINES + 1)
    assert len(list((tmp_path / "queries" / str(DAY)).iterdir())) == 2


def test_what_was_taken_out_does_not_come_back_with_the_next_line_of_its_writer(tmp_path):
    held = log(tmp_path)
    held.note("keep this", FOUND)
    held.note("forget this", FOUND)
    gone = log(tmp_path).segments.take_out(lambda line: b"forget" in line)
    assert len(gone) == 1
    held.note("and this", FOUND)
    assert texts(tmp_path) == ["and this", "keep this"]


def test_days_beyond_the_retention_are_forgotten_and_old_ones_merged(tmp_path):
    for days in (40, 10, 10, 0):
        log(tmp_path, at=NOON - timedelta(days=days)).note(f"{days}", FOUND)
    held = log(tmp_path)
    assert held.segments.forget(DAY - timedelta(days=30)) == 1
    held.optimize(timedelta(days=7))
    assert [len(held.segments.of_day(day)) for day in held.segments.days()] == [1, 1]
    assert [query.text for query in held.queries(date(2026, 1, 1))] == ["10", "10", "0"]


def test_a_damaged_line_hides_no_other(tmp_path):
    log(tmp_path).note("whole", FOUND)
    (file,) = (tmp_path / "queries" / str(DAY)).iterdir()
    file.write_bytes(b"{half\n" + file.read_bytes() + b'{"id": 1}\n')
    assert texts(tmp_path) == ["whole"]
    assert read_line(b"[]") is None


def test_a_log_that_cannot_be_written_is_told_and_disturbs_nothing(tmp_path, caplog):
    class Full(LocalObjects):
        def write_if(self, path: str, data: bytes, etag: str | None) -> str:
            raise LakeError("The disk is full.")

    QueryLog(lambda: Full(tmp_path), "text").note("a query", FOUND)
    assert "was not logged (LakeError)" in caplog.text
    assert "a query" not in caplog.text


@pytest.mark.parametrize("text", ["", "a\nb", 'quotes " and \\', "emoji 🗝", "lone \ud800 half"])
def test_any_text_is_one_line_and_comes_back(tmp_path, text):
    log(tmp_path).note(text, FOUND)
    (query,) = log(tmp_path).queries(DAY)
    assert query.text == text.encode("utf-8", "replace").decode()


@pytest.fixture
def command(environment, inbox, monkeypatch, capsys):
    """Runs commands on a lake of one document."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (inbox / "keys.md").write_text("# Keys\n\nSigning keys are rotated every month.\n")
    assert main(["sync"]) == 0
    capsys.readouterr()
    return main


def test_search_and_ask_write_the_log_when_it_is_wanted(command, world, monkeypatch):
    command(["search", "rotate keys"])
    assert list(world().lake.objects.list("queries/")) == []
    monkeypatch.setenv("RAG_QUERY_LOG", "text")
    assert command(["search", "rotate keys", "-k", "3", "--mode", "text"]) == 0
    assert command(["ask", "How often are keys rotated?"]) == 0
    platform = world()
    today = datetime.now(UTC).date()
    asked = {query.kind: query for query in platform.query_log.queries(today)}
    assert (asked["search"].text, asked["search"].mode, asked["search"].k) == (
        "rotate keys", "text", 3,
    )  # fmt: skip
    assert (asked["ask"].text, asked["ask"].hits) == ("How often are keys rotated?", 1)
    assert asked["ask"].index == asked["search"].index == platform.live_index()
    assert 0 < asked["ask"].seconds < 60


def test_an_unknown_way_to_log_is_refused_by_name(command, monkeypatch, capsys):
    monkeypatch.setenv("RAG_QUERY_LOG", "everything")
    assert command(["search", "keys"]) == 2
    assert "RAG_QUERY_LOG should be one of off, hashed, text" in capsys.readouterr().err
