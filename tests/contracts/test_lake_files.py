"""What LakeFiles promise of a file that is written once, in a folder and in a bucket."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pyarrow as pa
import pytest

from include.storage.lake_files import LakeFiles, open_files
from include.storage.lance import LanceDatabase
from include.storage.s3_client import S3Access
from tests.s3.stores import Store

SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False)])


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, S3Access | None]:
    if request.param == "folder":
        return (tmp_path / "a lake").as_uri(), None
    server: Store = request.getfixturevalue("s3")
    return f"s3://{server.bucket()}/a-lake", server.access()


@pytest.fixture
def files(place: tuple[str, S3Access | None]) -> LakeFiles:
    return open_files(*place)


def test_a_new_file_is_written_once_and_leaves_nothing_beside_it(files: LakeFiles):
    files.write_new("folder/a", b"first")
    files.write_new("folder/a", b"second")
    assert files.read("folder/a") == b"first"
    assert [each.path for each in files.list()] == ["folder/a"]


def test_of_writers_of_a_new_file_at_once_exactly_one_is_there(files: LakeFiles):
    together = Barrier(8)

    def write(number: int) -> None:
        together.wait(60)
        files.write_new("a", bytes([number]) * 10_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    stored = files.read("a")
    assert stored is not None
    assert len(stored) == 10_000
    assert len(set(stored)) == 1
    assert [each.path for each in files.list()] == ["a"]


def test_of_creators_of_a_table_at_once_one_makes_it(place: tuple[str, S3Access | None]):
    together = Barrier(4)

    def append(number: int) -> int:
        table = LanceDatabase(*place).table("numbers", SCHEMA, "id")
        together.wait(60)
        made = table.create().version
        table.append(pa.table({"id": [str(number)]}))
        return made

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(append, range(4)))
    table = LanceDatabase(*place).table("numbers", SCHEMA, "id")
    assert min(made) == 1
    assert table.version() == 5  # an empty one, then a commit for each writer
    assert sorted(table.read()["id"]) == ["0", "1", "2", "3"]


def test_a_table_of_which_only_the_beginning_was_written_is_made_all_the_same(
    place: tuple[str, S3Access | None], files: LakeFiles
):
    files.write("numbers.lance/_transactions/0-killed.txn", b"killed before the first version")
    table = LanceDatabase(*place).table("numbers", SCHEMA, "id")
    assert table.count() == 0
    table.append(pa.table({"id": ["a"]}))
    assert table.read()["id"].to_list() == ["a"]
