"""Many objects are fetched at once from a store that is far away, and come in the order of the listing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from include.errors import DocumentError, TransientError
from include.extraction import Extracted
from include.stages import reading
from include.stages.reading import FileRead, read_files
from include.storage.source import SourceContent
from tests.conftest import World

COUNT = 40


class Far:
    """A source that counts how many reads and how many bytes are under way at once."""

    def __init__(self, together: int = 1) -> None:
        self.lock, self.now, self.most, self.started = threading.Lock(), 0, 0, 0
        self.meeting = threading.Barrier(together)
        self.faults: dict[str, Exception] = {}

    def read(self, key: str, limit_bytes: int, *, sidecar: bool = True) -> SourceContent:
        with self.lock:
            self.now += 1
            self.started += 1
            self.most = max(self.most, self.now)
        self.meeting.wait(20)
        with self.lock:
            self.now -= 1
        if key in self.faults:
            raise self.faults[key]
        return SourceContent(key.encode(), "stamp")


class Whole:
    """Extracts a file as one document."""

    def extract(self, source: str, name: str, raw: bytes) -> list[Extracted]:
        return [Extracted(content=raw.decode())]


def read(world: World, source: Far, uri: str, size: int = 10) -> Iterator[FileRead]:
    sources: Any = {uri: source}
    what = replace(world().reading(may_embed=False), sources=sources)
    rows: list[dict[str, object]] = [
        {"id": str(n), "source": uri, "key": f"{n}.txt", "size": size, "sidecar_stamp": ""}
        for n in range(COUNT)
    ]
    return read_files(rows, what, lambda _: None, Whole())


def contents(files: Iterator[FileRead]) -> list[str]:
    return [file.documents[0].content for file in files if file.documents]


def test_eight_objects_are_fetched_at_once_and_come_in_order(world):
    source = Far(together=8)
    found = contents(read(world, source, "s3://bucket/docs"))
    assert found == [f"{number}.txt" for number in range(COUNT)]
    assert source.most == 8


def test_a_folder_is_read_one_file_at_a_time(world):
    source = Far()
    assert len(contents(read(world, source, "file:///docs"))) == COUNT
    assert source.most == 1


def test_large_objects_are_not_held_side_by_side(world):
    source = Far()
    assert len(contents(read(world, source, "s3://b", size=reading.AHEAD_BYTES // 2))) == COUNT
    assert source.most <= 2
    source = Far()
    assert len(contents(read(world, source, "s3://b", size=2 * reading.AHEAD_BYTES))) == COUNT
    assert source.most == 1


def test_an_object_that_cannot_be_read_is_set_aside_in_its_place(world):
    source = Far()
    source.faults["3.txt"] = DocumentError("vanished", "gone")
    files = list(read(world, source, "s3://bucket/docs"))
    assert [str(file.row["id"]) for file in files] == [str(n) for n in range(COUNT)]
    assert [file.documents[0].reason for file in files if file.documents][3] == "vanished"


def test_a_store_that_fails_ends_the_reading_before_the_rest_is_asked_for(world):
    source = Far()
    source.faults["3.txt"] = TransientError("away")
    with pytest.raises(TransientError):
        list(read(world, source, "s3://bucket/docs"))
    assert source.started < COUNT


def test_sidecars_are_looked_for_only_where_the_listing_had_one(world):
    asked: dict[str, bool] = {}

    class Asked(Far):
        def read(self, key: str, limit_bytes: int, *, sidecar: bool = True) -> SourceContent:
            asked[key] = sidecar
            return super().read(key, limit_bytes)

    sources: Any = {"s3://b": Asked()}
    what = replace(world().reading(may_embed=False), sources=sources)
    rows: list[dict[str, object]] = [
        {"id": key, "source": "s3://b", "key": key, "size": 1, "sidecar_stamp": stamp}
        for key, stamp in (("with", "etag"), ("without", ""))
    ]
    assert len(list(read_files(rows, what, lambda _: None, Whole()))) == 2
    assert asked == {"with": True, "without": False}
