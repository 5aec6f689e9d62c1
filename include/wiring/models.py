"""What embeds and what completes, paid from one account: the second layer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from include.wiring.stores import Stores

if TYPE_CHECKING:
    from include.chunking import Tokenizer
    from include.embedding.cache import EmbeddingCache
    from include.embedding.cached import CachedEmbedder
    from include.embedding.models import ModelFolder
    from include.embedding.protocol import Embedder
    from include.llm.protocol import ChatModel
    from include.llm.questions import Questions
    from include.llm.responses import Responses
    from include.prompts import Prompts
    from include.remote.attempts import Remote
    from include.spending.account import Account
    from include.spending.approval import Verdict
    from include.spending.caller import Caller
    from include.spending.forecast import Forecast
    from include.storage.lease import Lease


_VERSIONS_KEPT = timedelta(days=7)


class Models(Stores):
    """The models that the settings ask for, with cache, prompts, budgets and rate limits."""

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
    def questions(self) -> Questions:
        """Questions that were answered, for those that ask the same."""
        from include.llm.opening import open_questions

        return open_questions(self.settings, self.lake.objects)

    @cached_property
    def chat_model(self) -> ChatModel | None:
        """The configured chat models in the order of fallback; None for extractive answers."""
        if self.settings.chat_model == "none":
            return None
        from include.llm.opening import open_chat

        return open_chat(self.settings, self.remote, self.responses)

    @cached_property
    def prompts(self) -> Prompts:
        """The shipped prompts and those of the Airflow Variable, read anew for each request."""
        from include.prompts import Prompts

        return Prompts(lambda: self.deployment.variable("prompt_templates"), self.lake.objects)

    def embedding_cost(self, tokens: int, *, by_batch: bool = False) -> Decimal:
        """What embedding so many tokens costs now. Raises ConfigurationError without a price."""
        from include.spending import deferred

        chosen = self.settings.embedding
        if chosen.provider != "openai":
            return Decimal(0)
        provider, model = self.remote.endpoint.provider, self.embedder.identity.model
        if by_batch:
            return deferred.estimate(self.spending, provider, model, tokens)
        return self.spending.estimate(provider, model, tokens)

    def require_approval(self, tokens: int, *, by_batch: bool = False) -> None:
        """Raises ApprovalError when embedding so many tokens is for a person to decide."""
        from include.spending.approval import require_approval

        require_approval(
            self.embedding_cost(tokens, by_batch=by_batch),
            self.settings.budgets,
            what=f"Embedding {tokens} tokens costs",
            spared="Nothing was embedded or published.",
        )

    def require_approval_of(self, forecast: Forecast) -> None:
        """Raises ApprovalError when asking a chat model so much is for a person to decide."""
        from include.spending.approval import require_approval

        bought = f"{forecast.items} {forecast.work.bought}"
        require_approval(
            forecast.most.cost_usd,
            self.settings.budgets,
            what=f"{bought} by {forecast.model} cost up to",
            spared="Nothing was asked.",
        )

    def verdict(self, cost_usd: Decimal) -> Verdict:
        """What the budgets say of a run that costs so much."""
        from include.spending.approval import verdict

        budgets = self.settings.budgets
        spent = self.spending.spent_today() if cost_usd and budgets.daily_usd else Decimal(0)
        return verdict(cost_usd, budgets, spent)

    @cached_property
    def model(self) -> ModelFolder:
        """The local embedding model's folder and identity, found without loading it."""
        from include.embedding.models import find_model

        return find_model(self._named[0], self.settings.embedding.model_cache)

    @cached_property
    def _named(self) -> tuple[str, int | None]:
        """The model's name and how many dimensions are asked of it; None for all of them."""
        from include.embedding.shortened import split

        name = self.settings.embedding.name
        return (name, None) if Path(name).expanduser().is_dir() else split(name)

    @property
    def whole_model(self) -> tuple[str, bool]:
        """The value of RAG_EMBEDDER for all dimensions of the model, and whether it can be cut."""
        chosen = self.settings.embedding
        if chosen.provider != "openai":
            return f"{chosen.provider}:{self._named[0]}", True
        from include.embedding.openai import can_be_cut
        from include.embedding.shortened import split

        model, _ = split(chosen.name)
        cuttable = can_be_cut(model)
        return f"openai:{model if cuttable else chosen.name}", cuttable

    @cached_property
    def embedder(self) -> Embedder:
        """The embedding model, loaded on first use."""
        from include.embedding.shortened import shorten

        chosen, (name, dimensions) = self.settings.embedding, self._named
        if chosen.provider == "fake":
            from include.embedding.fake import FakeEmbedder

            return shorten(FakeEmbedder(int(name)), dimensions)
        if chosen.provider == "openai":
            from include.embedding.openai import open_embedder

            return open_embedder(chosen.name, self.remote)
        from include.embedding.local import LocalEmbedder

        whole = LocalEmbedder(
            self.model,
            precision=chosen.precision,
            engine=chosen.engine,
            export_folder=chosen.model_cache,
        )
        return shorten(whole, dimensions)

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

        return Lease(self.lake.objects, f"embed-{self.embedder.identity.full.id}", run_id)

    def cached_embedder(self, on_progress: Callable[[int], None] | None = None) -> CachedEmbedder:
        """The embedder behind its cache; `on_progress` gets the number of texts done."""
        from include.embedding.cached import CachedEmbedder

        return CachedEmbedder(
            self.embedder,
            self.cache,
            batch_texts=self.settings.embedding.texts_in_a_write,
            on_progress=on_progress,
        )

    @cached_property
    def query_embedder(self) -> CachedEmbedder:
        """Embeds queries through a cache of their own, which goes with the log of queries."""
        from include.embedding.cache import EmbeddingCache
        from include.embedding.cached import CachedEmbedder
        from include.embedding.queries import TABLES, QueryEmbedder
        from include.embedding.shortened import shorten, whole

        asks = QueryEmbedder(whole(self.embedder))
        embedder = shorten(asks, self.embedder.identity.dimensions)
        cache = EmbeddingCache(self.database, embedder.identity, tables=TABLES)
        batch = self.settings.embedding.texts_in_a_write
        return CachedEmbedder(embedder, cache, batch_texts=batch)

    def compact_cache(self) -> None:
        """Brings the embedding cache's many small files together; loses nothing."""
        self.cache.optimize(_VERSIONS_KEPT)
