"""What stages, verification and searches work with: the last layer."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from include.settings import Budgets
from include.wiring.chunkers import Chunkers

if TYPE_CHECKING:
    from include.filters import Scope
    from include.retrieval.distinct import Distinct
    from include.stages.by_batch import ByBatch
    from include.stages.changes import DetectOptions
    from include.stages.destination import Destination
    from include.stages.filling import Filler
    from include.stages.interrupted import Interrupted
    from include.stages.maintain import Upkeep
    from include.storage.index_entries import Index
    from include.verification.behind import Listing
    from include.verification.premises import Premises


def new_run_id() -> str:
    """Names a run started from the command line: sortable by time, unique."""
    return f"cli-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


class Platform(Chunkers):
    """The adapters that the settings ask for, each made once."""

    def with_budgets(self, budgets: Mapping[str, object]) -> Platform:
        """The same platform under the budgets of an Airflow Variable."""
        return Platform(replace(self.settings, budgets=Budgets.parse(budgets)), self.deployment)

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

    def detect_options(self, run_id: str, **switches: bool) -> DetectOptions:
        """The switches of a run (`reread`, `allow_deletions`, `rebuild`) and its thresholds."""
        from include.stages.changes import DetectOptions

        fraction = self.settings.budgets.max_delete_fraction
        return DetectOptions(run_id=run_id, max_delete_fraction=fraction, **switches)

    def interrupted(self, *, rebuild: bool = False) -> Interrupted | None:
        """What the index holds, where it may differ from the manifest: after a run that died.

        An index that is filled again may hold what was removed while another one was live; so may
        one to which somebody switched.
        """
        from include.stages.interrupted import Interrupted

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
    def destination(self) -> Destination:
        """Where runs are published to."""
        from include.stages.destination import Destination

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
            vectors=self.settings.embedding.vectors,
        )

    @cached_property
    def filler(self) -> Filler:
        """What fills the configured index from stored texts."""
        from include.stages.filling import Filler

        return Filler(
            destination=self.destination,
            chunker=self.chunker,
            embedder=self.cached_embedder,
            lease=self.embedding_lease,
            max_tasks=self.settings.max_mapped_tasks,
            require_approval=self.require_approval,
        )

    @property
    def batch_filler(self) -> Filler:
        """The same through the provider's batches; it waits for them in this process."""
        approve = partial(self.require_approval, by_batch=True)
        return replace(self.filler, require_approval=approve, by_batch=self.by_batch.embed)

    @cached_property
    def by_batch(self) -> ByBatch:
        """What embeds through the provider's batches. Raises ConfigurationError without any."""
        from include.batch_api.opening import open_work
        from include.stages.by_batch import ByBatch

        return ByBatch(
            open_work(self.lake, self.embedder, self.cache),
            self.embedding_lease,
            self.embedding_cost,
            self.settings.budgets,
        )

    @cached_property
    def upkeep(self) -> Upkeep:
        """Every table that maintenance compacts: the lake's own, every model's cache, indexes."""
        from include.batch_api.records import BatchUpkeep
        from include.llm.question_stores import LakeQuestions
        from include.llm.responses import LakeResponses
        from include.spending.ledger import Ledger
        from include.stages.maintain import Upkeep
        from include.storage.sessions import LakeSessions

        objects = self.lake.objects
        small = (
            Ledger(objects),
            LakeResponses(objects),
            LakeQuestions(objects),
            LakeSessions(objects),
            BatchUpkeep(objects),
            self.query_log,
        )
        held, database = self.tables, self.database
        own = (
            *(held.documents, held.texts, held.signatures, held.quarantine, held.reviews),
            *(held.erasures, held.evaluations, held.enrichments),
            *(held.golden, held.golden_passages),
        )
        caches = [
            database.table(name, handle.schema, "text_hash")
            for name in database.names()
            if name.startswith(("embeddings_", "query_embeddings_"))
            and (handle := database.open(name)) is not None
        ]
        return Upkeep((*own, *caches, *small), self.store)

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
        from include.storage.index_entries import Index

        identity = self.embedder.identity
        return Index(
            self.index_name,
            embedder=identity.id,
            chunker=self.chunker.id,
            dimensions=identity.dimensions,
            settings=self.settings.index_values,
            vectors=self.settings.embedding.vectors,
            cut_from=self.cache.source,
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
