"""The lake and what it holds, and the sources that fill it: the first layer of the composition root."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from include.deployment import Deployment, EnvironmentDeployment
from include.errors import ConfigurationError
from include.settings import Settings

if TYPE_CHECKING:
    from include.storage.artifacts import Artifacts
    from include.storage.lake import Lake
    from include.storage.lance import LanceDatabase
    from include.storage.publishing import PublishMarks
    from include.storage.query_log import QueryLog
    from include.storage.registry import Registry
    from include.storage.s3_client import S3Access
    from include.storage.sections import SectionTexts
    from include.storage.source import Source
    from include.storage.tables import Tables
    from include.vectorstore.protocol import VectorStore


class Stores:
    """Where things are kept, as the settings ask for it; each is opened once.

    `deployment` gives Airflow's Connections and Variables; by default the environment's.
    """

    def __init__(self, settings: Settings, deployment: Deployment | None = None) -> None:
        self.settings = settings
        self.deployment = deployment or EnvironmentDeployment()
        self.beside: list[Stores] = []
        """Platforms for other indexes that were made of this one; closed with it."""

    def close(self) -> None:
        """Closes the connections to models and caches that were opened."""
        for name in ("remote", "responses", "questions"):
            if name in vars(self):
                getattr(self, name).close()
        for other in self.beside:
            other.close()

    @cached_property
    def lake(self) -> Lake:
        """The lake, opened and found compatible."""
        from include.storage.lake import Lake

        remote = self.settings.lake_uri.startswith("s3://")
        return Lake(self.settings.lake_uri, self.s3 if remote else None).open()

    @cached_property
    def database(self) -> LanceDatabase:
        """The lake's tables."""
        return self.lake.database

    @cached_property
    def tables(self) -> Tables:
        """Manifest, texts and quarantine."""
        from include.storage.tables import Tables

        return Tables(self.database)

    @cached_property
    def registry(self) -> Registry:
        """Which index is live."""
        from include.storage.registry import Registry

        return Registry(self.lake.objects)

    @cached_property
    def store(self) -> VectorStore:
        """Where indexes live."""
        from include.vectorstore.lance import LanceVectorStore

        return LanceVectorStore(self.database, self.settings.metadata.fields)

    @cached_property
    def publishing(self) -> PublishMarks:
        """The marks of publishes that have begun."""
        from include.storage.publishing import PublishMarks

        return PublishMarks(self.lake.objects)

    @cached_property
    def query_log(self) -> QueryLog:
        """What people search for, if that is to be kept; `note` each query of a person there."""
        from include.storage.query_log import QueryLog

        return QueryLog(lambda: self.lake.objects, self.settings.query_log.keeps)

    def adapt_index(self) -> None:
        """Gives the live index the columns of newly declared fields; otherwise does nothing.

        A publish does the same: this is for runs that find nothing to publish.
        """
        live = self.registry.live()
        if live is not None:
            self.store.create(live.name, live.dimensions)

    def live_index(self) -> str:
        """The name of the index that answers. Raises ConfigurationError before the first sync."""
        live = self.registry.live()
        if live is None:
            raise ConfigurationError(
                f"The lake {self.settings.lake_uri} holds no index yet: run "
                f"`python -m include sync` first."
            )
        return live.name

    def artifacts(self, run_id: str) -> Artifacts:
        """The folder of one run."""
        from include.storage.artifacts import Artifacts

        return Artifacts(self.lake, run_id)

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """The configured sources by URI."""
        from include.storage.sources import open_source

        chosen = self.settings.source
        return {
            uri: open_source(uri, chosen.include, chosen.exclude, lambda: self.s3)
            for uri in chosen.uris
        }

    @cached_property
    def s3(self) -> S3Access:
        """What opens buckets: the connection `rag_s3`, or the machine's own AWS configuration."""
        from include.storage.s3_client import CONNECTION, S3Access

        return S3Access(self.deployment.connection(CONNECTION))

    @cached_property
    def section_text(self) -> SectionTexts:
        """Reads the section around a hit, for the context of an answer."""
        from include.storage.sections import SectionTexts

        return SectionTexts(self.tables)
