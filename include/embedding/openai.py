"""Embeddings behind an OpenAI-compatible API: `openai:<model>[@dimensions]`.

OpenAI documents that text-embedding-3-* may be cut and made unit again, as its `dimensions` does
(https://platform.openai.com/docs/guides/embeddings): whole vectors are asked for and kept, at the same
price. For another model `@` tells how many dimensions it has.

The identity holds the model's name, its dimensions, its prefixes and the `revision` that the connection
may state; it does not hold the URL, so that moving to another gateway pays for nothing again.
Whoever serves other weights under the same name states another revision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from include.documents import digest
from include.embedding.checks import refuse_empty
from include.embedding.openai_vectors import read_vectors
from include.embedding.protocol import Embedder, EmbedderIdentity, FloatArray
from include.embedding.shortened import cut, shorten
from include.errors import ConfigurationError, ModelError, QueryError
from include.remote.endpoint import Endpoint, option
from include.spending.account import Answered
from include.spending.entries import EMBED, Purpose
from include.spending.prices import Tokens

if TYPE_CHECKING:
    from include.chunking import Tokenizer
    from include.remote.attempts import Remote

NATURAL_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
_PAIR = ("index", "embedding")
_CAN_BE_CUT = "text-embedding-3-"
MAX_INPUTS = 2_048
MAX_REQUEST_TOKENS = 300_000
"""What OpenAI takes in one request; the connection's extra can lower both."""


def openai_identity(name: str, endpoint: Endpoint) -> EmbedderIdentity:
    """The identity of `<model>[@dimensions]` at this endpoint, found without a request.

    Raises ConfigurationError when nobody says how many dimensions an unknown model has, or for
    more than a known one has.
    """
    model, at, number = name.partition("@")
    natural = NATURAL_DIMENSIONS.get(model) or endpoint.options.get("dimensions")
    cuttable = can_be_cut(model)
    if at and not cuttable and number != str(NATURAL_DIMENSIONS.get(model, number)):
        raise ConfigurationError(
            f"RAG_EMBEDDER asks for {number} dimensions of the model {model!r}, whose vectors have "
            f"{natural} and are not made to be cut: leave @{number} out."
        )
    dimensions = number if at and not cuttable else natural
    if not str(dimensions or "").isdigit() or not 0 < int(str(dimensions)) <= 65_536:
        raise ConfigurationError(
            f"RAG_EMBEDDER should say how many dimensions the model {model!r} has: "
            f"openai:{model}@<number>; it says {dimensions!r}."
        )
    identity = EmbedderIdentity(
        model=model,
        weights=f"openai-api {endpoint.options.get('revision', '')}".strip(),
        dimensions=int(str(dimensions)),
        query_prefix=str(endpoint.options.get("query_prefix", "")),
        document_prefix=str(endpoint.options.get("document_prefix", "")),
    )
    return cut(identity, int(number)) if at and cuttable else identity


def can_be_cut(model: str) -> bool:
    """Whether OpenAI documents that the model's vectors keep their meaning when they are cut."""
    return model.startswith(_CAN_BE_CUT) and model in NATURAL_DIMENSIONS


class OpenAIEmbedder:
    """Vectors from an endpoint, in as few requests as its limits allow, each in the ledger."""

    def __init__(self, identity: EmbedderIdentity, remote: Remote, tokenizer: Tokenizer) -> None:
        self._identity = identity
        self.remote = remote
        self._tokenizer = tokenizer
        endpoint = remote.endpoint
        self._max_inputs = option(endpoint, "max_inputs", MAX_INPUTS, 1, 100_000)
        self._max_tokens = option(
            endpoint, "max_request_tokens", MAX_REQUEST_TOKENS, 1, 100_000_000
        )
        self._minute = remote.account.limiter.most_tokens or 0
        self._ask_dimensions = identity.model.startswith(_CAN_BE_CUT)

    @property
    def identity(self) -> EmbedderIdentity:
        """What the vectors are."""
        return self._identity

    @property
    def _longest(self) -> int:
        return min(self._tokenizer.limit, self._max_tokens)

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """One unit vector per text. Raises ModelError for answers that cannot be trusted.

        Raises BudgetError before a request that a budget does not allow.
        """
        parts = list(self.embed_parts(texts))
        empty = np.empty((0, self._identity.dimensions), np.float32)
        return np.concatenate(parts) if parts else empty

    def embed_parts(self, texts: Sequence[str]) -> Iterator[FloatArray]:
        """The same in order, request by request: one that fails takes no earlier one along."""
        for part in self.packed(self.prepared(texts), tokens=self._minute):
            yield self._request(*part)

    def embed_query(self, text: str) -> FloatArray:
        """The query's unit vector. Raises QueryError for one that is longer than the model reads."""
        refuse_empty([text])
        count = self._tokenizer.count(self._identity.query_prefix + text)
        if count > self._longest:
            raise QueryError(
                f"The query has {count} tokens; the model {self._identity.model!r} reads "
                f"{self._longest}: ask it shorter."
            )
        ((texts, tokens),) = self.packed([self._identity.query_prefix + text])
        vector: FloatArray = self._request(texts, tokens)[0]
        return vector

    def prepared(self, texts: Sequence[str]) -> list[str]:
        """Documents as the model is to read them. Raises ModelError for one without content."""
        refuse_empty(texts)
        return [self._identity.document_prefix + each for each in texts]

    def packed(
        self, texts: Sequence[str], *, inputs: int = 0, tokens: int = 0
    ) -> Iterator[tuple[list[str], int]]:
        """The texts in requests, in order, each with the sum of its tokens.

        `inputs` and `tokens`, unless 0, make them smaller than the endpoint takes them.
        """
        most_inputs = min(inputs or self._max_inputs, self._max_inputs)
        most_tokens = min(tokens or self._max_tokens, self._max_tokens)
        batch: list[str] = []
        total = 0
        for text in texts:
            count = self._tokenizer.count(text)
            if count > self._longest:
                raise ModelError(
                    f"A text of {count} tokens is too long for the model {self._identity.model!r}, "
                    f"which reads {self._longest}: lower RAG_CHUNK_TOKENS."
                )
            if batch and (len(batch) == most_inputs or total + count > most_tokens):
                yield batch, total
                batch, total = [], 0
            batch.append(text)
            total += count
        if batch:
            yield batch, total

    def body(self, texts: Sequence[str]) -> dict[str, Any]:
        """What is asked of the API for these texts."""
        asked: dict[str, Any] = {
            "input": list(texts),
            "model": self._identity.model,
            "encoding_format": "base64",
        }
        if self._ask_dimensions:
            asked["dimensions"] = self._identity.dimensions
        return asked

    def _request(self, texts: list[str], tokens: int) -> FloatArray:
        purpose = Purpose(
            operation=EMBED,
            provider=self.remote.endpoint.provider,
            model=self._identity.model,
            endpoint=self.remote.endpoint.name,
            content=digest("texts", *texts),
        )
        body = self.body(texts)

        def send(call_id: str) -> Answered[FloatArray]:
            answer = self.remote.client.send(
                call_id,
                lambda client, headers: client.embeddings.create(extra_headers=headers, **body),
            )
            return self._read(answer, len(texts))

        return self.remote.call(purpose, Tokens(tokens), send).value

    def _read(self, answer: Any, count: int) -> Answered[FloatArray]:
        """The vectors, or why they are unusable; what they cost either way."""
        usage = getattr(answer, "usage", None)
        told = getattr(usage, "prompt_tokens", None)
        tokens = Tokens(told) if isinstance(told, int) and told >= 0 else None
        model = str(getattr(answer, "model", "") or "")
        none = np.empty((0, self._identity.dimensions), np.float32)
        try:
            held = getattr(answer, "data", None) or ()
            rows = [tuple(getattr(each, name, None) for name in _PAIR) for each in held]
            vectors = read_vectors(rows, count, self._identity)
        except ModelError as error:
            return Answered(none, tokens, model, unusable=error)
        return Answered(vectors, tokens, model)


def open_embedder(name: str, remote: Remote) -> Embedder:
    """The embedder of `<model>[@dimensions]`. Raises ConfigurationError for one without a price."""
    identity = openai_identity(name, remote.endpoint)
    account = remote.account
    account.prices.require(remote.endpoint.provider, identity.model, account.clock())
    tokenizer = openai_tokenizer(identity.model, remote.endpoint)
    return shorten(OpenAIEmbedder(identity.full, remote, tokenizer), identity.dimensions)


def openai_tokenizer(model: str, endpoint: Endpoint) -> Tokenizer:
    """Counts as the model does: `tokenizer` in the connection's extra, or tiktoken's for the model.

    It is `words`, the name of a tiktoken encoding, or a folder with a `tokenizer.json`.
    """
    from pathlib import Path

    limit = option(endpoint, "max_input_tokens", 8_191, 1, 10_000_000)
    named = str(endpoint.options.get("tokenizer", ""))
    if named == "words":
        from include.embedding.fake import FakeTokenizer

        return FakeTokenizer(limit)
    if Path(named).is_absolute():
        from include.embedding.tokenizers import model_tokenizer

        return model_tokenizer(Path(named), limit)
    from include.embedding.openai_tokenizers import tiktoken_for, tiktoken_named

    return tiktoken_named(named, limit) if named else tiktoken_for(model, limit)
