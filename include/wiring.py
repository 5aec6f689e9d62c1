"""The composition root: settings in, connected adapters out.

Adapters are loaded when first used, so that a run that finds nothing to do imports no model, and
parsing a Dag imports nothing at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from include.deployment import Deployment, EnvironmentDeployment
from include.documents import digest
from include.errors import ConfigurationError
from include.settings import Budgets, Settings

if TYPE_CHECKING:
    from include.chunking import ChunkerByMediaType, Parts, Tokenizer
    from include.embedding.cache import CachedEmbedder, EmbeddingCache
    from include.embedding.models import ModelFolder
    from include.embedding.protocol import Embedder
    from include.extraction import Rules
    from include.filters import Scope
    from include.llm.protocol import ChatModel
    from include.llm.responses import Responses
    from include.prompts import Prompts
    from include.quality.gate import Gate
    from include.remote.attempts import Remote
    from include.retrieval.distinct import Distinct
    from include.spending.account import Account
    from include.spending.caller import Caller
    from include.stages.detect import DetectOptions, Interrupted
    from include.stages.fill import Filler
    from include.stages.maintain import Upkeep
    from include.stages.publish import Destination
    from include.stages.reading import Reading
    from include.storage.artifacts import Artifacts
    from include.storage.lake import Lake
    from include.storage.lance import LanceDatabase
    from include.storage.lease import Lease
    from include.storage.publishing import PublishMarks
    from include.storage.registry import Index, Registry
    from include.storage.s3_client import S3Access
    from include.storage.sections import SectionTexts
    from include.storage.source import Source
    from include.storage.tables import Tables
    from include.vectorstore.protocol import VectorStore
    from include.verification.behind import Listing
    from include.verification.premises import Premises

_VERSIONS_KEPT = timedelta(days=7)


def new_run_id() -> str:
    """Names a run started from the command line: sortable by time, unique."""
    return f"cli-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


class Platform:
    """The adapters that the settings ask for, each made once.

    `deployment` gives Airflow's Connections and Variables; by default the environment's.
    """

    def __init__(self, settings: Settings, deployment: Deployment | None = None) -> None:
        self.settings = settings
        self.deployment = deployment or EnvironmentDeployment()
        self.beside: list[Platform] = []
        """Platforms for other indexes that were made of this one; closed with it."""

    def with_budgets(self, budgets: Mapping[str, object]) -> Platform:
        """The same platform under the budgets of an Airflow Variable."""
        return Platform(replace(self.settings, budgets=Budgets.parse(budgets)), self.deployment)

    def close(self) -> None:
        """Closes the connections to models and caches that were opened."""
        for name in ("remote", "responses"):
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

    def adapt_index(self) -> None:
        """Gives the live index the columns of newly declared fields; otherwise does nothing.

        A publish does the same: this is for runs that find nothing to publish.
        """
        live = self.registry.live()
        if live is not None:
            self.store.create(live.name, live.dimensions)

    def scope(self, filter_text: str | None, principals: Collection[str] | None) -> Scope:
        """What a search may find: what the filter describes, for a reader with these labels.

        Raises ConfigurationError for a filter that cannot be read.
        """
        from include.filters import Scope, parse_filter

        fields = self.settings.metadata.fields
        chosen = None if filter_text is None else parse_filter(filter_text, fields)
        return Scope(chosen, None if principals is None else frozenset(principals))

    def distinct(self, *, deduplicate: bool | None = None) -> Distinct:
        """What picks hits of distinct documents, if asked for or set; else what keeps all."""
        from include.retrieval.distinct import DistinctDocuments, keep_all

        wanted = self.settings.search.deduplicate if deduplicate is None else deduplicate
        return DistinctDocuments(self.tables) if wanted else keep_all

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
    def caller(self) -> Caller:
        """On whose behalf models are called; Airflow's task, where there is one."""
        from include.spending.caller import Caller

        return Caller.from_environment()

    @cached_property
    def spending(self) -> Account:
        """Prices, ledger, budgets and rate limits of this lake."""
        from include.spending.opening import open_account

        return open_account(self.settings, self.deployment, self.lake.objects, lambda: self.caller)

    @cached_property
    def remote(self) -> Remote:
        """The API of connection `openai_default`, paid from this lake's account."""
        from include.remote.attempts import Remote
        from include.remote.client import Client
        from include.remote.endpoint import find_endpoint

        return Remote(Client(find_endpoint(self.deployment)), self.spending)

    @cached_property
    def responses(self) -> Responses:
        """Chat models' answers to identical requests."""
        from include.llm.opening import open_responses

        return open_responses(self.settings, self.lake.objects)

    @cached_property
    def chat_model(self) -> ChatModel | None:
        """The configured chat models in the order of fallback; None for extractive answers."""
        if self.settings.chat_model == "none":
            return None
        from include.llm.opening import open_chat

        return open_chat(self.settings, self.remote, self.responses)

    def embedding_cost(self, tokens: int) -> Decimal:
        """What embedding so many tokens costs now. Raises ConfigurationError without a price."""
        chosen = self.settings.embedding
        if chosen.provider != "openai":
            return Decimal(0)
        provider = self.remote.endpoint.provider
        return self.spending.estimate(provider, self.embedder.identity.model, tokens)

    def require_approval(self, tokens: int) -> None:
        """Raises ApprovalError when embedding so many tokens is for a person to decide."""
        from include.spending.approval import require_approval

        require_approval(self.embedding_cost(tokens), tokens, self.settings.budgets)

    @cached_property
    def model(self) -> ModelFolder:
        """The local embedding model's folder and identity, found without loading it."""
        from include.embedding.models import find_model

        chosen = self.settings.embedding
        return find_model(chosen.name, chosen.model_cache)

    @cached_property
    def embedder(self) -> Embedder:
        """The embedding model, loaded on first use."""
        chosen = self.settings.embedding
        if chosen.provider == "fake":
            from include.embedding.fake import FakeEmbedder

            return FakeEmbedder(int(chosen.name))
        if chosen.provider == "openai":
            from include.embedding.openai import open_embedder

            return open_embedder(chosen.name, self.remote)
        from include.embedding.local import LocalEmbedder

        return LocalEmbedder(
            self.model,
            precision=chosen.precision,
            engine=chosen.engine,
            export_folder=chosen.model_cache,
        )

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Counts tokens as the embedding model does; loads no model."""
        if self.settings.embedding.provider == "fake":
            from include.embedding.fake import FakeTokenizer

            return FakeTokenizer()
        if self.settings.embedding.provider == "openai":
            from include.embedding.openai import openai_tokenizer

            return openai_tokenizer(self.embedder.identity.model, self.remote.endpoint)
        return self.model.tokenizer()

    @cached_property
    def cache(self) -> EmbeddingCache:
        """The vectors already paid for, of this embedder."""
        from include.embedding.cache import EmbeddingCache

        return EmbeddingCache(self.database, self.embedder.identity)

    def embedding_lease(self, run_id: str) -> Lease:
        """What lets one run at a time embed with this model, in as many tasks as it has."""
        from include.storage.lease import Lease

        return Lease(self.lake.objects, f"embed-{self.embedder.identity.id}", run_id)

    @cached_property
    def chunker(self) -> ChunkerByMediaType:
        """The configured chunkers, counting with the embedder's own tokenizer."""
        return self._chunkers(may_embed=True)

    def _chunkers(self, *, may_embed: bool) -> ChunkerByMediaType:
        """One chunker for each strategy in use; without `may_embed` none asks the model."""
        from include.chunking import STRATEGIES, ChunkerByMediaType

        chosen = self.settings.chunking
        self._refuse_unknown_media_types()
        parts = self.chunking_parts(may_embed=may_embed)
        made = {name: STRATEGIES[name](parts) for name in chosen.strategies}
        overrides = {media_type: made[name] for media_type, name in chosen.by_media_type}
        return ChunkerByMediaType(made[chosen.strategy], overrides)

    def chunking_parts(self, *, may_embed: bool) -> Parts:
        """What chunkers are made of here; without `may_embed` only cached sentences have vectors."""
        from include.chunking import Parts
        from include.embedding.sentences import EmbeddedSentences, KnownSentences

        chosen, identity = self.settings.chunking, self.embedder.identity.id
        return Parts(
            self.tokenizer,
            tokens=chosen.tokens,
            overlap_tokens=chosen.overlap_tokens,
            parent_tokens=chosen.parent_tokens,
            vectors=EmbeddedSentences(identity, self.cached_embedder, self.compact_cache)
            if may_embed
            else KnownSentences(identity, lambda: self.cache),
        )

    def compact_cache(self) -> None:
        """Brings the embedding cache's many small files together; loses nothing."""
        self.cache.optimize(_VERSIONS_KEPT)

    def _refuse_unknown_media_types(self) -> None:
        from include.parsing.dispatch import FORMATS

        known = sorted({each.media_type for each in FORMATS})
        for media_type, _ in self.settings.chunking.by_media_type:
            if media_type not in known:
                raise ConfigurationError(
                    f"RAG_CHUNK_STRATEGY names the media type {media_type!r}, which no document "
                    f"has; there are {', '.join(known)}."
                )

    @property
    def index_name(self) -> str:
        """The index of the configured embedder and chunker; others never share its table."""
        return f"{self.embedder.identity.id}_{digest('chunker', self.chunker.id)[:8]}"

    def require_index(self, *, rebuild: bool) -> None:
        """Refuses settings that name another index than the live one, unless it is to be rebuilt.

        Raises ConfigurationError: publishing into another index would embed everything again.
        """
        live = self.registry.live()
        if live is not None and live.name != self.index_name and not rebuild:
            raise ConfigurationError(
                f"RAG_EMBEDDER and RAG_CHUNK_* ask for the index {self.index_name!r}, but "
                f"{live.name!r} is live. Set them back, or fill the new index and switch to it: "
                f"`python -m include reembed`, then `promote` (`plan --target` tells what it costs)."
            )

    def artifacts(self, run_id: str) -> Artifacts:
        """The folder of one run."""
        from include.storage.artifacts import Artifacts

        return Artifacts(self.lake, run_id)

    def detect_options(self, run_id: str, **switches: bool) -> DetectOptions:
        """The switches of a run (`reread`, `allow_deletions`, `rebuild`) and its thresholds."""
        from include.stages.detect import DetectOptions

        fraction = self.settings.budgets.max_delete_fraction
        return DetectOptions(run_id=run_id, max_delete_fraction=fraction, **switches)

    def interrupted(self, *, rebuild: bool = False) -> Interrupted | None:
        """What the index holds, where it may differ from the manifest: after a run that died.

        An index that is filled again may hold what was removed while another one was live; so may
        one to which somebody switched.
        """
        from include.stages.detect import Interrupted

        last = self.registry.last_sync()
        switched = last is not None and last["index"] != self.index_name
        if not (rebuild or switched or self.publishing.marks(self.index_name)):
            return None
        return Interrupted(self.store.versions(self.index_name))

    def found_nothing(self) -> None:
        """What a run does that has nothing to publish."""
        self.adapt_index()
        live, last = self.registry.live(), self.registry.last_sync()
        if live and live.name == self.index_name and last and last["index"] != live.name:
            self.registry.record_sync(live.name, str(last["run_id"]), datetime.now(UTC))
        if self.publishing.marks():
            self.publishing.settle(self.index_name, datetime.now(UTC))

    @cached_property
    def rules(self) -> Rules:
        """How files are read."""
        from include.extraction import Rules
        from include.parsing.records import RecordRules
        from include.screening import Policy

        columns = self.settings.parsing.records
        first = {role: "".join(columns[role]) for role in ("id", "title")}
        records = RecordRules(**first, text=columns["text"], metadata=columns["metadata"])
        screening = self.settings.screening
        policies = {uri: Policy.for_source(uri, screening) for uri in self.sources}
        return Rules(records, policies)

    def reading(self, *, rebuild: bool = False, may_embed: bool = True) -> Reading:
        """What the prepare stage reads with; a plan has `may_embed=False`."""
        from include.extraction import IsolatedExtractor, Limits
        from include.stages.reading import Reading

        chosen, rules = self.settings.parsing, self.rules
        limits = Limits(chosen.seconds, chosen.memory_bytes)
        return Reading(
            sources=self.sources,
            chunker=self.chunker if may_embed else self._chunkers(may_embed=False),
            extractor=lambda: IsolatedExtractor(rules, limits),
            rules=rules,
            max_document_bytes=self.settings.source.max_document_bytes,
            metadata=self.settings.metadata,
            rebuild=rebuild,
        )

    def cached_embedder(self, on_progress: Callable[[int], None] | None = None) -> CachedEmbedder:
        """The embedder behind its cache; `on_progress` gets the number of texts done."""
        from include.embedding.cache import CachedEmbedder

        return CachedEmbedder(
            self.embedder,
            self.cache,
            batch_texts=self.settings.embedding.batch_texts,
            on_progress=on_progress,
        )

    @cached_property
    def destination(self) -> Destination:
        """Where runs are published to."""
        from include.stages.publish import Destination

        identity = self.embedder.identity
        return Destination(
            index=self.index_name,
            embedder=identity.id,
            chunker=self.chunker.id,
            dimensions=identity.dimensions,
            store=self.store,
            cache=self.cache,
            tables=self.tables,
            registry=self.registry,
            marks=self.publishing,
            settings=self.settings.index_values,
        )

    @cached_property
    def filler(self) -> Filler:
        """What fills the configured index from stored texts."""
        from include.stages.fill import Filler

        return Filler(
            destination=self.destination,
            chunker=self.chunker,
            embedder=self.cached_embedder,
            lease=self.embedding_lease,
            max_tasks=self.settings.max_mapped_tasks,
            require_approval=self.require_approval,
        )

    def live_index(self) -> str:
        """The name of the index that answers. Raises ConfigurationError before the first sync."""
        live = self.registry.live()
        if live is None:
            raise ConfigurationError(
                f"The lake {self.settings.lake_uri} holds no index yet: run "
                f"`python -m include sync` first."
            )
        return live.name

    @cached_property
    def section_text(self) -> SectionTexts:
        """Reads the section around a hit, for the context of an answer."""
        from include.storage.sections import SectionTexts

        return SectionTexts(self.tables)

    @cached_property
    def upkeep(self) -> Upkeep:
        """Every table that maintenance compacts: the lake's own, every model's cache, indexes."""
        from include.llm.responses import LakeResponses
        from include.spending.ledger import Ledger
        from include.stages.maintain import Upkeep

        small = (Ledger(self.lake.objects), LakeResponses(self.lake.objects))
        held, database = self.tables, self.database
        own = (held.documents, held.texts, held.signatures, held.quarantine, held.reviews)
        caches = [
            database.table(name, handle.schema, "text_hash")
            for name in database.names()
            if name.startswith("embeddings_") and (handle := database.open(name)) is not None
        ]
        return Upkeep(
            (*own, held.erasures, held.evaluations, held.enrichments, *caches, *small), self.store
        )

    def premises(self, before: datetime) -> Premises:
        """What verification looks at; `before` is the end of the retention."""
        from include.verification.premises import Premises

        return Premises(
            lake=self.lake,
            database=self.database,
            tables=self.tables,
            store=self.store,
            registry=self.registry,
            configured=self._configured_index,
            sources=self.settings.source.uris,
            before=before,
        )

    def _configured_index(self) -> Index:
        from include.storage.registry import Index

        identity = self.embedder.identity
        return Index(
            self.index_name,
            embedder=identity.id,
            chunker=self.chunker.id,
            dimensions=identity.dimensions,
            settings=self.settings.index_values,
        )

    def listing(self, run_id: str) -> Listing:
        """A comparison with the source as it is now, in a folder of its own that it removes."""
        from include.stages.detect import detect
        from include.verification.behind import Listing

        artifacts = self.artifacts(run_id)
        options = self.detect_options(run_id, allow_deletions=True)
        sources = list(self.sources.values())
        return Listing(
            lambda: detect(sources, self.tables, artifacts, options, self.interrupted()), artifacts
        )

    @cached_property
    def prompts(self) -> Prompts:
        """The shipped prompts and those of the Airflow Variable, read anew for each request."""
        from include.prompts import Prompts

        return Prompts(lambda: self.deployment.variable("prompt_templates"), self.lake.objects)

    @cached_property
    def gate(self) -> Gate:
        """The validation gate for this embedder's limit."""
        from include.quality.gate import Gate

        return Gate(
            max_tokens=self.tokenizer.limit,
            max_bad_fraction=self.settings.gate.max_bad_fraction,
        )
