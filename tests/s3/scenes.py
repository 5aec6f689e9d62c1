"""Scenes of the fault tests whose lakes are in a bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from include.storage.lake_files import open_files
from tests.faults.lakes import Scene
from tests.s3.stores import Store


@dataclass
class BucketScene(Scene):
    """A scene whose lakes are prefixes of one bucket; `through` is what its children speak to."""

    store: Store | None = None
    bucket: str = ""
    through: Store | None = None

    @property
    def deployment(self) -> Mapping[str, str]:
        """The connection to the store, or to the proxy before it."""
        store = self.through or self.store
        assert store is not None
        return {"AIRFLOW_CONN_RAG_S3": store.connection()}

    def uri(self, lake: Path) -> str:
        """The prefix of the lake."""
        return f"s3://{self.bucket}/{lake.relative_to(self.root).as_posix()}"

    def copy(self, lake: Path, to: Path) -> None:
        """Copies a lake inside the bucket."""
        assert self.store is not None
        access = self.store.access()
        for each in open_files(self.uri(lake), access).list():
            source = {"Bucket": self.bucket, "Key": f"{lake.name}/{each.path}"}
            key = f"{to.name}/{each.path}"
            access.client.copy_object(Bucket=self.bucket, Key=key, CopySource=source)

    @contextmanager
    def behind(self, proxy: Store) -> Iterator[None]:
        """Children that are started in the block speak to the proxy."""
        self.through = proxy
        try:
            yield
        finally:
            self.through = None
