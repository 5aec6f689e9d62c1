"""What makes an index what it is: the embedder, the form of its vectors, and the chunker."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from include.errors import ConfigurationError
from include.settings.places import REPOSITORY
from include.settings.reader import Reader

STRATEGIES = ("structure", "recursive", "tokens", "sentences", "semantic", "parent")
"""How documents can be chunked; the first one is the default. See docs/chunking.md."""

VectorForm = Literal["float32", "float16", "int8", "binary"]
"""How an index can store its vectors; the first one is the default. See docs/evaluation.md."""


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """Which model embeds, at which precision, on which engine; where exported models are kept.

    `vectors` is the form in which an index stores what was embedded.
    """

    provider: str
    name: str
    precision: str
    vectors: VectorForm
    engine: str
    model_cache: Path
    batch_texts: int

    @classmethod
    def read(cls, read: Reader) -> EmbeddingSettings:
        """Raises ConfigurationError for a model that cannot be named so."""
        return cls(
            **_embedder(read.text("RAG_EMBEDDER", "local:all-MiniLM-L6-v2")),
            precision=read.choice("RAG_EMBEDDER_PRECISION", "fp32", ("fp32", "int8")),
            vectors=cast(
                VectorForm, read.choice("RAG_INDEX_VECTORS", "float32", get_args(VectorForm))
            ),
            engine=read.choice("RAG_EMBEDDER_ENGINE", "auto", ("auto", "openvino", "torch")),
            model_cache=Path(
                read.text("RAG_MODEL_CACHE", str(REPOSITORY / ".cache" / "models"))
            ).expanduser(),
            batch_texts=read.number("RAG_EMBED_BATCH_TEXTS", 512, 1, 100_000),
        )


@dataclass(frozen=True, slots=True)
class ChunkingSettings:
    """The strategy, those of single media types, and their sizes in the embedder's tokens.

    `tokens` is the budget of a chunk, `overlap_tokens` what it repeats inside a section,
    `parent_tokens` the budget of the context around a chunk of the strategy `parent`.
    """

    tokens: int
    overlap_tokens: int
    parent_tokens: int = 1_024
    strategy: str = "structure"
    by_media_type: tuple[tuple[str, str], ...] = ()

    @property
    def strategies(self) -> frozenset[str]:
        """Every strategy in use."""
        return frozenset((self.strategy, *(name for _, name in self.by_media_type)))

    @classmethod
    def read(cls, read: Reader) -> ChunkingSettings:
        """Raises ConfigurationError for strategies or sizes that make no chunker."""
        chosen = cls(
            tokens=read.number("RAG_CHUNK_TOKENS", 256, 16, 1_000_000),
            overlap_tokens=read.number("RAG_CHUNK_OVERLAP_TOKENS", 32, 0, 1_000_000),
            parent_tokens=read.number("RAG_CHUNK_PARENT_TOKENS", 1_024, 16, 1_000_000),
            **_strategies(read.text("RAG_CHUNK_STRATEGY", STRATEGIES[0])),
        )
        chosen._refuse_contradictions()
        return chosen

    def _refuse_contradictions(self) -> None:
        if self.overlap_tokens * 2 > self.tokens:
            raise ConfigurationError(
                f"RAG_CHUNK_OVERLAP_TOKENS should be at most half of RAG_CHUNK_TOKENS "
                f"({self.tokens}), is {self.overlap_tokens}."
            )
        if "parent" in self.strategies and self.parent_tokens < self.tokens:
            raise ConfigurationError(
                f"RAG_CHUNK_PARENT_TOKENS should be at least RAG_CHUNK_TOKENS "
                f"({self.tokens}), is {self.parent_tokens}."
            )


def index_values(embedding: EmbeddingSettings, chunking: ChunkingSettings) -> dict[str, str]:
    """What makes an index what it is, as `RAG_*` values that give the same one again."""
    overrides = (f"{media_type}={name}" for media_type, name in chunking.by_media_type)
    return {
        "RAG_EMBEDDER": f"{embedding.provider}:{embedding.name}",
        "RAG_EMBEDDER_PRECISION": embedding.precision,
        "RAG_INDEX_VECTORS": embedding.vectors,
        "RAG_CHUNK_STRATEGY": " ".join((chunking.strategy, *overrides)),
        "RAG_CHUNK_TOKENS": str(chunking.tokens),
        "RAG_CHUNK_OVERLAP_TOKENS": str(chunking.overlap_tokens),
        "RAG_CHUNK_PARENT_TOKENS": str(chunking.parent_tokens),
    }


def _embedder(value: str) -> dict[str, str]:
    provider, _, name = value.partition(":")
    number = r"[1-9]\d*"
    forms = {
        "local": r".+",
        "fake": rf"{number}(@{number})?",
        "openai": rf"[^@\s]+(@{number})?",
    }
    if provider not in forms or not re.fullmatch(forms[provider], name):
        raise ConfigurationError(
            f"RAG_EMBEDDER should be local:<model or path>[@dimensions], "
            f"openai:<model>[@dimensions], or fake:<dimensions>[@dimensions] for trials without a "
            f"model; it is {value!r}."
        )
    return {"provider": provider, "name": name}


def _strategies(value: str) -> dict[str, Any]:
    """The strategy and its overrides, from `structure text/csv=recursive`."""
    default, *overrides = value.split()
    chosen: dict[str, str] = {}
    for override in overrides:
        media_type, equals, name = override.partition("=")
        if not equals or not re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", media_type):
            raise ConfigurationError(
                f"RAG_CHUNK_STRATEGY should be a strategy, then any number of media types with "
                f"theirs, as in 'structure text/csv=recursive'; it has {override!r}."
            )
        if media_type in chosen:
            raise ConfigurationError(f"RAG_CHUNK_STRATEGY names {media_type} twice: {value!r}.")
        chosen[media_type] = name
    for name in (default, *chosen.values()):
        if name not in STRATEGIES:
            raise ConfigurationError(
                f"RAG_CHUNK_STRATEGY should use {', '.join(STRATEGIES)}; {name!r} in {value!r} "
                f"is none of them."
            )
    return {"strategy": default, "by_media_type": tuple(sorted(chosen.items()))}
