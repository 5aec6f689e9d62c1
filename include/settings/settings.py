"""All settings of the platform: read once, validated together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from include.errors import ConfigurationError
from include.metadata import MetadataRules
from include.settings.api import ApiSettings
from include.settings.budgets import Budgets
from include.settings.groups import (
    GateSettings,
    QueryLogSettings,
    RetentionSettings,
    SearchSettings,
)
from include.settings.indexing import ChunkingSettings, EmbeddingSettings, index_values
from include.settings.models import ModelCalls, read_models, read_redis
from include.settings.places import local, place, uris
from include.settings.reader import Reader
from include.settings.screening import ScreeningSettings
from include.settings.source import ParsingSettings, SourceSettings, read_metadata
from include.settings.watching import EmbedWorkers, WatchSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured, after validation."""

    source: SourceSettings
    parsing: ParsingSettings
    screening: ScreeningSettings
    lake_uri: str
    embedding: EmbeddingSettings
    chunking: ChunkingSettings
    gate: GateSettings
    metadata: MetadataRules
    search: SearchSettings
    retention: RetentionSettings
    query_log: QueryLogSettings
    watch: WatchSettings
    embed_workers: EmbedWorkers
    budgets: Budgets
    golden_questions: Path | None
    llm: ModelCalls
    chat_model: str
    enrich_models: str
    vector_store: str
    redis_url: str | None = field(repr=False)  # it may hold a password
    max_mapped_tasks: int
    api: ApiSettings

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Settings from `os.environ`, or from the mapping given.

        Raises ConfigurationError for a value that cannot be used or a name that does not exist.
        """
        read = Reader(os.environ if environment is None else environment)
        settings = cls(
            source=SourceSettings.read(read),
            parsing=ParsingSettings.read(read),
            screening=ScreeningSettings.read(read),
            lake_uri=uris("RAG_LAKE_URI", read.text("RAG_LAKE_URI", local("data/lake")))[0],
            embedding=EmbeddingSettings.read(read),
            chunking=ChunkingSettings.read(read),
            gate=GateSettings(read.fraction("RAG_MAX_BAD_FRACTION", 0.2)),
            metadata=read_metadata(read),
            search=SearchSettings(read.switch("RAG_DEDUPLICATE_RESULTS", "false")),
            retention=RetentionSettings(read.number("RAG_CACHE_KEEP_DAYS", 0, 0, 36_500)),
            query_log=QueryLogSettings.read(read),
            watch=WatchSettings.read(read),
            embed_workers=EmbedWorkers.read(read),
            budgets=Budgets.read(read),
            golden_questions=read.path("RAG_GOLDEN_QUESTIONS"),
            llm=ModelCalls.read(read),
            chat_model=read_models(read, "RAG_CHAT_MODEL", "of fallback"),
            enrich_models=read_models(read, "RAG_ENRICH_MODELS", "of strength"),
            vector_store=read.choice("RAG_VECTOR_STORE", "lancedb", ("lancedb",)),
            redis_url=read_redis(read),
            max_mapped_tasks=read.number("RAG_MAX_MAPPED_TASKS", 64, 1, 1_024),
            api=ApiSettings.read(read),
        )
        read.text("RAG_ENV_FILE", "")  # see load_env_file
        read.refuse_unknown()
        settings._refuse_contradictions()
        return settings

    @property
    def index_values(self) -> dict[str, str]:
        """What makes an index what it is, as `RAG_*` values that give the same one again."""
        return index_values(self.embedding, self.chunking)

    def with_index(self, values: Mapping[str, str]) -> Settings:
        """These settings for another index: embedder and chunker as the values given say.

        What they do not name stays. Raises ConfigurationError for a value that cannot be used, and
        for one that makes no index.
        """
        if unknown := sorted(values.keys() - self.index_values.keys()):
            raise ConfigurationError(
                f"{unknown[0]} does not make an index what it is; {', '.join(self.index_values)} do."
            )
        read = Reader(self.index_values | dict(values))
        own = self.embedding
        embedding = replace(
            EmbeddingSettings.read(read),
            engine=own.engine,
            model_cache=own.model_cache,
            batch_texts=own.batch_texts,
        )
        return replace(self, embedding=embedding, chunking=ChunkingSettings.read(read))

    def _refuse_contradictions(self) -> None:
        for rule in self.screening.sensitive:
            if rule.source and rule.source not in self.source.uris:
                raise ConfigurationError(
                    f"RAG_SENSITIVE has a rule for {rule.source!r}, which RAG_SOURCE_URI does not "
                    f"name: {', '.join(self.source.uris)}."
                )
        lake = place(self.lake_uri)
        for uri in self.source.uris:
            source = place(uri)
            if lake == source or source in lake.parents:
                raise ConfigurationError(
                    f"RAG_LAKE_URI ({self.lake_uri}) lies inside RAG_SOURCE_URI ({uri}): the "
                    f"platform would index its own state. Put the lake elsewhere."
                )
