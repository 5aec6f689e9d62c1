"""Several chat models in the order of fallback: the next one answers when one is not to be had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from include.errors import TransientError
from include.llm.protocol import ChatRequest, Completion, Heard
from include.observability.log import warn
from include.spending.forecast import Estimate

TRIES_BEFORE_FALLBACK = 2


class Link(Protocol):
    """One model of several."""

    @property
    def name(self) -> str:
        """What it is called in settings."""
        ...

    def most(self, request: ChatRequest, *, beside: int = 0) -> Estimate:
        """What the request costs at most, with so many tokens beside its own."""
        ...

    def complete(
        self, request: ChatRequest, *, tries: int | None = None, heard: Heard | None = None
    ) -> Completion:
        """The answer, tried so often."""
        ...


class ChatChain:
    """A ChatModel of others. A request that is wrong is wrong for all: only outages fall back."""

    def __init__(self, models: Sequence[Link]) -> None:
        self._models = models

    @property
    def name(self) -> str:
        """All of them, in order."""
        return ",".join(model.name for model in self._models)

    def most(self, request: ChatRequest, *, beside: int = 0) -> Estimate:
        """What the dearest of them costs at most."""
        each = (model.most(request, beside=beside) for model in self._models)
        return max(each, key=lambda estimate: estimate.cost_usd)

    def complete(self, request: ChatRequest, *, heard: Heard | None = None) -> Completion:
        """The answer of the first model that has one; the completion says which."""
        *others, last = self._models
        for model in others:
            try:
                return model.complete(request, tries=TRIES_BEFORE_FALLBACK, heard=heard)
            except TransientError as error:
                warn(f"{model.name} is not to be had, asking the next model. {error}")
        return last.complete(request, heard=heard)
