"""How documents are read and chunked, and which index that makes: the third layer."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from include.documents import digest
from include.errors import ConfigurationError
from include.wiring.models import Models

if TYPE_CHECKING:
    from include.chunking import ChunkerByMediaType, Parts
    from include.extraction import Rules
    from include.quality.gate import Gate
    from include.stages.reading import Reading


class Chunkers(Models):
    """What turns files into chunks of the configured index."""

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

    def _refuse_unknown_media_types(self) -> None:
        from include.parsing.formats import FORMATS

        known = sorted({each.media_type for each in FORMATS})
        for media_type, _ in self.settings.chunking.by_media_type:
            if media_type not in known:
                raise ConfigurationError(
                    f"RAG_CHUNK_STRATEGY names the media type {media_type!r}, which no document "
                    f"has; there are {', '.join(known)}."
                )

    @property
    def index_name(self) -> str:
        """The index of the configured embedder, form and chunker; others never share its table.

        Raises ConfigurationError where the embedder's vectors cannot be stored in that form.
        """
        from include.storage.vector_forms import require_form

        identity, form = self.embedder.identity, self.settings.embedding.vectors
        require_form(form, identity.dimensions)
        parts = [identity.id, digest("chunker", self.chunker.id)[:8]]
        return "_".join(parts if form == "float32" else [parts[0], form, parts[1]])

    def require_index(self, *, rebuild: bool) -> None:
        """Refuses settings that name another index than the live one, unless it is to be rebuilt.

        Raises ConfigurationError: publishing into another index would embed everything again.
        """
        live = self.registry.live()
        if live is not None and live.name != self.index_name and not rebuild:
            raise ConfigurationError(
                f"RAG_EMBEDDER, RAG_INDEX_VECTORS and RAG_CHUNK_* ask for the index {self.index_name!r}, but "
                f"{live.name!r} is live. Set them back, or fill the new index and switch to it: "
                f"`python -m include reembed`, then `promote` (`plan --target` tells what it costs)."
            )

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

    @cached_property
    def gate(self) -> Gate:
        """The validation gate for this embedder's limit."""
        from include.quality.gate import Gate

        return Gate(
            max_tokens=self.tokenizer.limit,
            max_bad_fraction=self.settings.gate.max_bad_fraction,
        )
