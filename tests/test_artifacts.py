"""The lake's layout and a run's artifacts: whole or absent, retried without traces."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from include.errors import ConfigurationError, LakeError
from include.storage.artifacts import Artifacts
from include.storage.files import local_path
from include.storage.lake import Lake, path_name

SCHEMA = pl.Schema({"id": pl.String(), "tokens": pl.Int32(), "heading": pl.List(pl.String())})


def rows(count: int, start: int = 0) -> list[dict[str, object]]:
    return [
        {"id": str(number), "tokens": number, "heading": ["a"] * (number % 3)}
        for number in range(start, start + count)
    ]


def columns(count: int, start: int = 0) -> dict[str, list[object]]:
    return {name: [row[name] for row in rows(count, start)] for name in SCHEMA}


def frame(count: int, start: int = 0) -> pl.DataFrame:
    return pl.DataFrame(rows(count, start), schema=SCHEMA)


def files(artifacts_lake: Lake) -> set[str]:
    root = local_path(artifacts_lake.uri) / "runs"
    return {path.name for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake((tmp_path / "a lake [1] 100%").as_uri()).open()


@pytest.fixture
def run(lake: Lake) -> Artifacts:
    return Artifacts(lake, "ingest_documents/manual__2026-11-21T00:00:00+00:00")


def test_a_frame_is_read_back_as_it_was_written(run):
    uri = run.write("chunks", frame(10))
    assert uri.startswith("file:///")
    assert_frame_equal(run.read(uri), frame(10))
    assert_frame_equal(run.scan(uri).filter(pl.col("tokens") > 8).collect(), frame(1, start=9))


def test_an_uri_is_readable_from_another_run(lake, run):
    uri = run.write("chunks", frame(2))
    assert Artifacts(lake, "another").read(uri).height == 2


def test_several_artifacts_are_read_in_the_order_given(run):
    uris = [run.write(f"part-{number}", frame(2, start=number)) for number in (5, 3, 9)]
    assert run.read(uris)["tokens"].to_list() == [5, 6, 3, 4, 9, 10]


def test_a_retry_replaces_what_it_wrote(lake, run):
    run.write("chunks", frame(10))
    uri = run.write("chunks", frame(3))
    assert run.read(uri).height == 3
    assert files(lake) == {"chunks.parquet"}


def test_a_frame_that_cannot_be_written_leaves_the_old_one_and_no_rubbish(lake, run):
    uri = run.write("chunks", frame(3))
    with pytest.raises(pl.exceptions.PolarsError):
        run.write("chunks", pl.DataFrame({"thing": [object()]}))
    assert run.read(uri).height == 3
    assert files(lake) == {"chunks.parquet"}


def test_a_missing_artifact_says_what_to_do(lake, run):
    uri = run.write("chunks", frame(1))
    run.remove()
    run.remove()
    with pytest.raises(LakeError, match="is missing"):
        run.scan(uri)
    assert files(lake) == set()


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", ".x"])
def test_a_name_cannot_leave_the_folder_of_its_run(run, name):
    with pytest.raises(LakeError, match="relative"):
        run.write(name, frame(1))


@settings(max_examples=20, deadline=None)
@given(counts=st.lists(st.integers(0, 25), max_size=5), per_part=st.integers(1, 12))
def test_rows_come_back_in_order_however_they_are_cut(tmp_path_factory, counts, per_part):
    run = Artifacts(Lake(tmp_path_factory.mktemp("lake").as_uri()), "run")
    done = 0
    with run.parts("chunks", SCHEMA, rows_per_part=per_part) as writer:
        for number, count in enumerate(counts):
            if number % 2:
                writer.extend(columns(count, start=done))
            else:
                for row in rows(count, start=done):
                    writer.append(row)
            done += count
    uris = writer.finish()
    parts = [run.read(uri) for uri in uris]
    assert_frame_equal(pl.concat(parts), frame(done))
    assert all(part.height == per_part for part in parts[:-1])
    assert len(parts) == max(1, -(-done // per_part))
    assert run.list("chunks") == uris


def test_no_rows_make_one_empty_part_with_the_schema(run):
    with run.parts("chunks", SCHEMA) as writer:
        pass
    [uri] = writer.finish()
    assert run.read(uri).schema == SCHEMA
    assert run.read(uri).height == 0


def test_a_retry_with_fewer_rows_leaves_no_part_of_the_first_try(lake, run):
    run.write("chunks-of-others", frame(1))
    for count in (10, 3):
        with run.parts("chunks", SCHEMA, rows_per_part=2) as writer:
            writer.extend(columns(count))
    assert run.read(writer.finish()).height == 3
    assert run.list("chunks") == writer.finish()
    assert files(lake) == {
        "chunks-00000.parquet",
        "chunks-00001.parquet",
        "chunks-of-others.parquet",
    }


def test_a_writer_that_fails_half_way_finishes_nothing(run):
    with suppress(ZeroDivisionError), run.parts("chunks", SCHEMA, rows_per_part=2) as writer:
        writer.extend(columns(3))
        raise ZeroDivisionError
    assert run.read(run.list("chunks")).height == 2


def test_rows_of_another_shape_are_refused_with_both_shapes(run):
    with run.parts("chunks", SCHEMA) as writer:
        with pytest.raises(LakeError, match=r"chunks.*tokens"):
            writer.extend(columns(2) | {"tokens": [1]})
        for names in ({"id"}, {*SCHEMA, "more"}):
            with pytest.raises(LakeError, match=r"chunks.*tokens"):
                writer.append(dict.fromkeys(names, "1"))
        writer.extend(columns(1))
    assert run.read(writer.finish()).height == 1


def test_a_listing_of_artifacts_knows_frames_parts_and_folders(run):
    single = run.write("vectors", frame(1))
    parts = [run.write(f"vectors-{number:05d}", frame(1)) for number in (0, 1)]
    below = run.write("vectors/task-7", frame(1))
    run.write("vectors-old", frame(1))
    assert set(run.list("vectors")) == {single, *parts, below}
    assert run.list("nothing") == []


def test_json_is_read_back_by_name_or_uri(lake, run):
    value = {"größe": [1, 2.5, None, True], "nested": {"a": "\ud800"}}
    uri = run.write_json("receipt", value)
    assert run.read_json("receipt") == value
    assert Artifacts(lake, "another").read_json(uri) == value
    with pytest.raises(LakeError, match="missing"):
        run.read_json("nothing")


def test_opening_creates_a_lake_once_and_writes_nothing_after(tmp_path):
    lake = Lake((tmp_path / "deep" / "lake").as_uri())
    lake.open()
    before = (tmp_path / "deep/lake/lake.json").stat().st_mtime_ns
    assert lake.open() is lake
    assert (tmp_path / "deep/lake/lake.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (b'{"format": 2}', "newer version of the platform"),
        (b'{"format": "1"}', "format '1'"),
        (b"{}", "restore it"),
        (b"[1]", "restore it"),
        (b"\xff", "restore it"),
        (b"", "restore it"),
    ],
)
def test_a_lake_that_this_version_cannot_read_is_refused(lake, layout, expected):
    (local_path(lake.uri) / "lake.json").write_bytes(layout)
    with pytest.raises(LakeError, match=expected):
        lake.open()
    assert (local_path(lake.uri) / "lake.json").read_bytes() == layout


@pytest.mark.parametrize("uri", ["gs://bucket/lake", "s3://bucket/my%20lake", "s3://Bucket"])
def test_a_lake_at_a_place_that_cannot_hold_one_is_refused(uri):
    with pytest.raises(ConfigurationError, match=uri):
        Lake(uri)


def test_a_place_where_no_lake_can_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(LakeError, match="RAG_LAKE_URI"):
        Lake((tmp_path / "file").as_uri()).open()


def test_tables_live_at_a_plain_path_because_lancedb_decodes_no_uri(lake, tmp_path):
    assert lake.database.uri == str(tmp_path / "a lake [1] 100%" / "tables")


AIRFLOW = "scheduled__2026-11-21T00:00:00+00:00"


@pytest.mark.parametrize(
    "run_id", [AIRFLOW, "a/b", "..", ".", "", "a" * 300, "日本", "C:\\x", "a b", "cli-2026-1a2b"]
)
def test_a_run_id_becomes_one_portable_path_component(run_id):
    name = path_name(run_id)
    assert name
    assert name.isascii()
    assert not set(name) & set("/\\:+ ")
    assert not name.startswith(".")
    assert len(name) < 120


@given(st.text(), st.text())
def test_different_run_ids_never_share_a_folder(one, other):
    assert (path_name(one) == path_name(other)) == (one == other)


def test_a_plain_run_id_stays_readable():
    assert path_name("cli-20261121T000000-1a2b3c") == "cli-20261121T000000-1a2b3c"
    assert path_name(AIRFLOW).startswith("scheduled__2026-11-21T00_00_00_00_00.")


def test_artifacts_of_old_runs_are_removed_and_those_of_others_stay(lake):
    for run_id in ("old", "young"):
        Artifacts(lake, run_id).write("deep/chunks", frame(1))
    now = datetime.now(UTC)
    old, young = (local_path(lake.uri) / "runs" / run_id for run_id in ("old", "young"))
    for path in (old, *old.rglob("*"), young):  # a folder's own time says nothing of what is below
        os.utime(path, times=(0, (now - timedelta(days=9)).timestamp()))
    assert lake.remove_runs(now - timedelta(days=7)) == ["old"]
    assert lake.remove_runs(now - timedelta(days=7)) == []
    assert Artifacts(lake, "young").list("deep/chunks")


def test_removing_runs_from_an_empty_lake_does_nothing(lake):
    assert lake.remove_runs(datetime.now(UTC)) == []
