"""A LanceDB table with a key: what every caller of it may rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from include.errors import CommitConflictError, LakeError
from include.storage.keyed import KeyedTable
from include.storage.lance import LanceDatabase
from include.storage.lance_errors import translated
from include.storage.tables import DOCUMENTS, QUARANTINE, TEXTS, Tables

SCHEMA = pa.schema(
    [pa.field("id", pa.string(), nullable=False), pa.field("n", pa.int64(), nullable=False)]
)


@pytest.fixture
def database(tmp_path: Path) -> LanceDatabase:
    return LanceDatabase((tmp_path / "a lake").as_uri())


@pytest.fixture
def table(database: LanceDatabase) -> KeyedTable:
    return database.table("numbers", SCHEMA, "id")


def rows(**numbers: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": list(numbers), "n": list(numbers.values())},
        schema_overrides={"id": pl.String, "n": pl.Int64},
    )


def content(table: KeyedTable) -> dict[str, int]:
    read = table.read()
    assert read["id"].n_unique() == read.height
    return dict(read.sort("id").iter_rows())


def test_a_table_never_written_reads_as_empty_and_is_not_created(
    database: LanceDatabase, table: KeyedTable
) -> None:
    assert table.read().schema == pl.Schema({"id": pl.String, "n": pl.Int64})
    assert table.read(["n"]).columns == ["n"]
    assert table.lookup(["a"], ["id"]).is_empty()
    assert (table.count(), table.version()) == (0, 0)
    table.optimize(timedelta(days=7))
    assert table.delete(["a"]).version == 0
    assert table.upsert(rows()).version == 0
    assert table.replace(rows(), ["a"]).version == 0
    assert table.insert_missing(rows()).version == 0
    assert database.names() == []


def test_upsert_inserts_new_keys_and_replaces_old_ones_in_one_commit(table: KeyedTable) -> None:
    table.upsert(rows(a=1, b=2))
    before = table.version()
    commit = table.upsert(rows(b=20, c=30))
    assert content(table) == {"a": 1, "b": 20, "c": 30}
    assert (commit.inserted, commit.updated, commit.deleted) == (1, 1, 0)
    assert commit.version == table.version() == before + 1


def test_of_rows_with_equal_keys_the_last_is_kept(table: KeyedTable) -> None:
    table.upsert(pl.DataFrame({"id": ["a", "b", "a"], "n": [1, 2, 3]}))
    assert content(table) == {"a": 3, "b": 2}


def test_replace_upserts_and_deletes_in_one_commit(table: KeyedTable) -> None:
    table.upsert(rows(a=1, b=2, c=3))
    before = table.version()
    commit = table.replace(rows(c=4, d=5), ["a", "never there"])
    assert content(table) == {"b": 2, "c": 4, "d": 5}
    assert (commit.inserted, commit.updated, commit.deleted) == (1, 1, 1)
    assert table.version() == before + 1


def test_replace_without_rows_only_deletes(table: KeyedTable) -> None:
    table.upsert(rows(a=1, b=2))
    assert table.replace(rows(), ["a"]).deleted == 1
    assert content(table) == {"b": 2}


def test_what_changes_nothing_makes_no_version(table: KeyedTable) -> None:
    table.upsert(rows(a=1))
    before = table.version()
    table.upsert(rows())
    table.replace(rows(), ["absent"])
    table.delete(["absent"])
    table.delete([])
    table.insert_missing(rows(a=5))
    assert table.version() == before
    assert content(table) == {"a": 1}


def test_rows_of_many_megabytes_are_one_commit(database: LanceDatabase) -> None:
    schema = pa.schema([SCHEMA.field("id"), pa.field("body", pa.string(), nullable=False)])
    table = database.table("large", schema, "id")
    written = pl.DataFrame({"id": [f"k{n}" for n in range(900)], "body": ["x" * 10_000] * 900})
    table.upsert(written[:1])
    assert table.insert_absent(written).version == table.version() == 3
    assert table.read().sort("id").equals(written.sort("id"))


@pytest.mark.parametrize("others", [0, 600])
def test_of_rows_appended_twice_the_first_counts_and_compaction_keeps_it(
    table: KeyedTable, others: int
) -> None:
    more = {f"x{n}": n for n in range(others)}
    table.append(rows(a=1, b=2, **more))
    table.append(rows(b=20, c=3))
    table.append(rows(c=30, d=4, b=200))
    for _ in range(2):
        for columns in (["id", "n"], ["n", "id"]):
            found = table.lookup([*"abcd", *more], columns).select("id", "n")
            assert dict(found.iter_rows()) == {"a": 1, "b": 2, "c": 3, "d": 4} | more
        assert sorted(table.lookup(["b", *more], ["id"])["id"]) == sorted(["b", *more])
        assert sorted(table.lookup(["b", "c"], ["n"])["n"]) == [2, 3]
        table.optimize(timedelta(days=7))
    assert content(table) == {"a": 1, "b": 2, "c": 3, "d": 4} | more
    assert table.delete(["b"]).deleted == 1
    assert table.lookup(["b"]).is_empty()


def test_two_compactions_at_once_leave_one_row_of_each_key(database: LanceDatabase) -> None:
    names = [f"k{n}" for n in range(40)]
    for round_ in range(4):
        table = database.table(f"twice{round_}", SCHEMA, "id")
        for n in range(5):
            table.append(rows(**dict.fromkeys(names, n)))

        def compact(table: KeyedTable = table) -> None:
            with suppress(CommitConflictError):
                table.optimize()

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(compact) for _ in range(4)]:
                done.result()
        table.optimize()
        assert content(table) == dict.fromkeys(names, 0)


def test_of_creators_at_once_one_makes_the_table_and_the_others_open_it(
    database: LanceDatabase,
) -> None:
    for round_ in range(4):
        name, together = f"made{round_}", Barrier(8)

        def create(_: int, name: str = name, together: Barrier = together) -> int:
            own = LanceDatabase(database.uri)
            together.wait(60)
            return own.table(name, SCHEMA, "id").create().version

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(create, range(8))) == {1}


def test_writers_that_append_to_a_new_table_at_once_lose_no_row(database: LanceDatabase) -> None:
    for round_ in range(8):
        name = f"new{round_}"

        def append(n: int, name: str = name) -> None:
            LanceDatabase(database.uri).table(name, SCHEMA, "id").append(rows(**{f"k{n}": n}))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(append, range(8)))
        assert content(database.table(name, SCHEMA, "id")) == {f"k{n}": n for n in range(8)}


def test_insert_missing_leaves_existing_rows_alone(table: KeyedTable) -> None:
    table.upsert(rows(a=1))
    assert table.insert_missing(rows(a=9, b=2)).inserted == 1
    assert table.insert_absent(rows(b=9, c=3)).inserted == 1
    assert content(table) == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("count", [3, 2_000])
def test_lookup_finds_the_rows_of_the_keys_that_exist(table: KeyedTable, count: int) -> None:
    for part in range(3):
        table.upsert(pl.DataFrame({"id": [f"{part}-{n}" for n in range(1_000)], "n": range(1_000)}))
    table.delete(["0-1"])
    wanted = [f"{n % 4}-{n // 4}" for n in range(count)]
    found = table.lookup(wanted)
    expected = {key for key in wanted if not key.startswith("3") and key != "0-1"}
    assert set(found["id"]) == expected
    assert found.height == len(expected)
    assert all(key.endswith(f"-{n}") for key, n in found.iter_rows())
    assert set(table.lookup(wanted, ["id"])["id"]) == expected
    assert table.lookup(wanted, ["n"]).columns == ["n"]


def test_read_selects_columns_and_filters_by_value_or_by_several(table: KeyedTable) -> None:
    table.upsert(rows(a=1, b=2, c=3))
    assert table.read(["n"], {"id": "b"})["n"].to_list() == [2]
    assert sorted(table.read(["n"], {"id": ["a", "c", "z"]})["n"]) == [1, 3]
    assert table.read(where={"id": []}).is_empty()


@pytest.mark.parametrize(
    "key",
    ["it's", 'say "hi"', "a\\b", "x' OR '1'='1", "-- ;", "naïve ✓", "日本", "\u2028", "", "%_*"],
)
def test_any_text_is_a_key_and_never_syntax(table: KeyedTable, key: str) -> None:
    table.upsert(rows(other=0))
    table.upsert(pl.DataFrame({"id": [key], "n": [7]}))
    assert table.lookup([key])["n"].to_list() == [7]
    table.replace(rows(more=1), [key])
    assert content(table) == {"more": 1, "other": 0}
    table.upsert(pl.DataFrame({"id": [key], "n": [8]}))
    table.delete([key])
    assert content(table) == {"more": 1, "other": 0}


def test_writers_that_start_at_once_on_a_missing_table_store_each_key_once(
    database: LanceDatabase,
) -> None:
    def write(writer: int) -> None:
        own = LanceDatabase(database.uri).table("numbers", SCHEMA, "id")
        for round_ in range(3):
            own.insert_missing(
                pl.DataFrame(
                    {"id": [f"k{n}" for n in range(round_, round_ + 40)], "n": [writer] * 40}
                )
            )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    ids = database.table("numbers", SCHEMA, "id").read()["id"]
    assert sorted(ids) == sorted(f"k{n}" for n in range(42))


def test_writers_of_the_same_keys_replace_each_other_without_duplicates(table: KeyedTable) -> None:
    def write(writer: int) -> None:
        own = LanceDatabase(table.database.uri).table("numbers", SCHEMA, "id")
        own.upsert(pl.DataFrame({"id": [f"k{n}" for n in range(50)], "n": [writer] * 50}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert table.read()["id"].n_unique() == table.count() == 50
    assert table.read()["n"].n_unique() == 1


class Contended(LanceDatabase):
    """Another writer comes first the next `times` times that anything is to be written."""

    times = 0

    def open(self, name: str) -> Any:
        table = super().open(name)
        return table and Losing(self, table)


class Losing:
    """A lancedb handle whose writer may come second."""

    def __init__(self, database: Contended, table: Any) -> None:
        self._database = database
        self._table = table

    def __getattr__(self, name: str) -> Any:
        if name in ("merge_insert", "delete") and self._database.times:
            self._database.times -= 1
            raise RuntimeError("lance error: Retryable commit conflict for version 3")
        return getattr(self._table, name)


@pytest.mark.parametrize(
    ("write", "after"),
    [
        (lambda table: table.upsert(rows(a=2)), {"a": 2, "b": 1}),
        (lambda table: table.replace(rows(a=2), ["b"]), {"a": 2}),
        (lambda table: table.insert_missing(rows(a=2, c=2)), {"a": 1, "b": 1, "c": 2}),
        (lambda table: table.delete(["a", "c"]), {"b": 1}),
        (lambda table: table.replace(rows(), ["a"]), {"b": 1}),
    ],
)
def test_a_write_that_lost_a_race_is_made_again_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any, after: dict[str, int]
) -> None:
    monkeypatch.setattr("include.storage.conflicts.time.sleep", lambda _: None)
    database = Contended(str(tmp_path))
    table = database.table("numbers", SCHEMA, "id")
    table.upsert(rows(a=1, b=1))
    database.times = 100
    with pytest.raises(CommitConflictError, match="'numbers'"):
        write(table)
    assert 100 - database.times == 8  # once by itself, and by no caller around it again
    assert content(table) == {"a": 1, "b": 1}
    database.times = 3
    write(table)
    assert content(table) == after


def test_another_process_sees_every_commit_at_once(table: KeyedTable) -> None:
    table.upsert(rows(a=1))
    script = (
        "import sys, polars as pl, pyarrow as pa\n"
        "from include.storage.lance import LanceDatabase\n"
        "schema = pa.schema([pa.field('id', pa.string(), nullable=False), pa.field('n', pa.int64(), nullable=False)])\n"
        "table = LanceDatabase(sys.argv[1]).table('numbers', schema, 'id')\n"
        "table.upsert(pl.DataFrame({'id': ['b'], 'n': [table.count()]}))\n"
    )
    repository = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", script, table.database.uri],
        check=True,
        cwd=repository,
        env=os.environ | {"PYTHONPATH": str(repository)},
    )
    assert content(table) == {"a": 1, "b": 1}


def test_optimize_keeps_the_rows_and_prunes_old_versions(table: KeyedTable) -> None:
    for n in range(5):
        table.upsert(pl.DataFrame({"id": [str(n)], "n": [n]}))
    table.optimize(timedelta(milliseconds=1))
    opened = table.open()
    assert opened is not None
    assert len(opened.list_versions()) <= 2
    assert table.count() == 5


def test_optimize_leaves_tagged_versions_alone(table: KeyedTable) -> None:
    table.upsert(rows(a=1))
    opened = table.open()
    assert opened is not None
    opened.tags.create("live", opened.version)
    table.upsert(rows(b=2))
    table.optimize(timedelta(milliseconds=1))
    opened.checkout("live")
    assert opened.count_rows() == 1
    assert content(table) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "found",
    [pa.schema([SCHEMA.field("id")]), pa.schema([SCHEMA.field("id"), pa.field("n", pa.string())])],
)
def test_a_table_with_other_columns_is_refused_and_named(
    database: LanceDatabase, table: KeyedTable, found: pa.Schema
) -> None:
    database.create("numbers", found, "id")
    with pytest.raises(LakeError, match=r"'numbers' in file:.* no column 'n' of type int64"):
        table.read()
    with pytest.raises(LakeError, match="'numbers'"):
        table.upsert(rows(a=1))


def test_a_column_added_by_a_newer_version_does_no_harm(
    database: LanceDatabase, table: KeyedTable
) -> None:
    database.create("numbers", SCHEMA.append(pa.field("later", pa.string())), "id")
    table.upsert(rows(a=1))
    assert content(table) == {"a": 1}


def test_a_damaged_table_is_a_lake_error(tmp_path: Path) -> None:
    table = LanceDatabase(str(tmp_path)).table("numbers", SCHEMA, "id")
    table.upsert(rows(a=1))
    for file in (tmp_path / "numbers.lance" / "data").iterdir():
        file.write_bytes(b"broken")
    with pytest.raises(LakeError, match="'numbers'"):
        table.read()


def test_a_lake_below_a_file_is_a_lake_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LakeError):
        LanceDatabase((tmp_path / "file").as_uri()).table("numbers", SCHEMA, "id").upsert(rows(a=1))


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (
            "lance error: Incompatible transaction: This Update transaction is incompatible, /root/x.rs:1",
            CommitConflictError,
            "Another writer changed 'numbers'",
        ),
        ("lance error: Retryable commit conflict for version 3", CommitConflictError, "'numbers'"),
        (
            "lance error: LanceError(IO): No space left on device (os error 28)",
            LakeError,
            "disk is full",
        ),
        ("lance error: something else, /root/.cargo/x.rs:1:2", LakeError, "something else$"),
        ("", LakeError, "'numbers'"),
    ],
)
def test_what_lancedb_raises_becomes_an_error_of_ours(
    raised: str, expected: type[Exception], message: str
) -> None:
    with pytest.raises(expected, match=message), translated("numbers"):
        raise RuntimeError(raised)


def test_the_lakes_tables_store_what_their_schemas_say(database: LanceDatabase) -> None:
    moment = datetime(2026, 11, 21, 12, tzinfo=UTC)
    values = {"string": "x", "int64": 1 << 40, "int32": 7, "timestamp[us, tz=UTC]": moment}
    tables = Tables(database)
    for table, schema in ((tables.documents, DOCUMENTS), (tables.quarantine, QUARANTINE)):
        row = {field.name: values[str(field.type)] for field in schema}
        table.upsert(pl.DataFrame([row]))
        assert table.read().row(0, named=True) == row
    blocks = [{"kind": "heading", "start": 0, "end": 5, "level": 1}]
    tables.texts.insert_missing(
        pl.DataFrame(
            {
                "text_hash": ["h", "i"],
                "text": ["Title", ""],
                "blocks": [blocks, []],
                "pages": [[0, 3], []],
            }
        )
    )
    assert tables.texts.lookup(["h"])["pages"].to_list() == [[0, 3]]
    assert tables.texts.lookup(["h"])["blocks"].to_list() == [blocks]
    assert database.names() == ["documents", "quarantine", "texts"]
    assert TEXTS.names == ["text_hash", "text", "blocks", "pages"]
