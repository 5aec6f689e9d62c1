"""What goes wrong with one object, or in the middle of a run: the others go in, nothing is paid twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from include.commands.ingest import Switches, sync
from include.embedding.fake import FakeEmbedder
from include.errors import ConfigurationError
from include.wiring import Platform
from tests.conftest import World
from tests.s3.stores import Store, served

NAMES = ("apple", "birch", "cedar")


class Scene:
    """Three documents in a bucket, which also holds the lake."""

    def __init__(self, world: World, store: Store, bucket: str, patch: pytest.MonkeyPatch) -> None:
        self.store, self.bucket, self.patch = store, bucket.removeprefix("s3://"), patch
        self.client = store.access().client
        self.make = world
        self.settings = {"RAG_SOURCE_URI": f"{bucket}/docs", "RAG_LAKE_URI": f"{bucket}/lake"}
        for name in NAMES:
            self.put(name, f"A document about {name}.")

    def put(self, name: str, text: str) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"docs/{name}.txt", Body=text.encode())

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"docs/{name}.txt")

    def platform(self) -> Platform:
        return self.make(**self.settings)

    def sync(self) -> dict[str, Any]:
        return sync(self.platform(), Switches())[0]

    def embedded(self, platform: Platform) -> set[str]:
        assert isinstance(platform.embedder, FakeEmbedder)
        return set(platform.embedder.embedded)

    def found(self) -> set[str]:
        platform = self.platform()
        index = platform.live_index()
        return {name for name in NAMES if platform.store.search_text(index, name, 3)}

    @contextmanager
    def behind(self, *proxy: str) -> Iterator[None]:
        """The platforms of the block speak to a proxy that makes trouble."""
        with (
            served("tests.s3.bad_proxy", self.store.endpoint, *proxy) as through,
            self.patch.context() as patch,
        ):
            patch.setenv("AIRFLOW_CONN_RAG_S3", through.connection())
            yield


@pytest.fixture
def scene(world: World, s3: Store, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(world, s3, bucket, monkeypatch)


@pytest.mark.parametrize("trouble", ["denied", "broken"])
def test_one_key_of_many_that_cannot_be_read_keeps_its_last_version_and_holds_up_no_other(
    scene, trouble
):
    scene.sync()
    for name in NAMES:
        # The proxy halves what is left with each piece: nine do not reach the end of this.
        scene.put(name, f"A newer document about {name}, edited. " * 100)
    with scene.behind(trouble, "1", "birch"):
        receipt = scene.sync()
    assert (receipt["changed"], receipt["quarantined"]) == (2, 1)
    assert scene.found() == set(NAMES), "the last good version of birch stays"
    assert scene.sync()["changed"] == 1, "it is tried again when it may be read"


def test_a_key_deleted_between_listing_and_reading_stops_nobody_and_is_gone_after_the_next_run(
    scene,
):
    scene.sync()
    for name in NAMES:
        scene.put(name, f"A newer document about {name}, edited.")
    platform = scene.platform()
    [source] = platform.sources.values()

    def delete(**_: Any) -> None:
        scene.delete("birch")

    source._client.meta.events.register("provide-client-params.s3.GetObject", delete)
    receipt, _ = sync(platform, Switches())
    assert receipt["changed"] == 2
    assert scene.sync()["unchanged"] == 2
    assert scene.found() == {"apple", "cedar"}


@pytest.mark.parametrize("where", ["docs/birch", "tables/chunks_"])
def test_a_token_that_expires_in_the_middle_of_a_run_loses_nothing_and_pays_nothing_twice(
    scene, where
):
    with scene.behind("expired", "1", where):
        failing = scene.platform()
        with pytest.raises(ConfigurationError, match=r"new one into the connection rag_s3"):
            sync(failing, Switches())
    resumed = scene.platform()
    assert sync(resumed, Switches())[0]["added"] == 3
    assert scene.found() == set(NAMES)
    assert not scene.embedded(failing) & scene.embedded(resumed)
    assert bool(scene.embedded(failing)) == where.startswith("tables")


def test_a_range_of_keys_that_cannot_be_listed_stops_the_run_and_deletes_nothing(scene):
    for number in range(12):
        scene.put(f"page-{number:02d}", f"A document about page {number}.")
    scene.sync()
    scene.delete("apple")
    platform = scene.platform()

    def fail(params: dict[str, Any], **_: Any) -> None:
        if params["Prefix"] == "docs/":
            params["MaxKeys"] = 2
            if "StartAfter" in params:
                params["Bucket"] = "a-bucket-that-is-not"

    platform.s3.client.meta.events.register("provide-client-params.s3.ListObjectsV2", fail)
    with pytest.raises(ConfigurationError, match="no such bucket"):
        sync(platform, Switches())
    assert scene.found() == set(NAMES)
    receipt = scene.sync()
    assert (receipt["removed"], receipt["unchanged"]) == (1, 14)
