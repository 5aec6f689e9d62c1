"""One text, described: the cheap model first, the strong one where it is needed, at most two calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from include.enrichment.routing import ACCEPTED, COMPLEX, CONFIDENT, complexity
from include.enrichment.schema import FIELDS, Described, read
from include.errors import ModelError
from include.llm.protocol import ChatModel, ChatRequest
from include.llm.rendered import chat_messages, named
from include.prompts.library import Prompt
from include.spending.forecast import Estimate

PROMPT = "enrich"
MOST_CHARACTERS = 12_000
"""Of a longer text only the beginning is sent."""
_OUTPUT_TOKENS = 800


@dataclass(frozen=True, slots=True)
class Outcome:
    """`state` is `accepted`, `review` (a person decides) or `set_aside` (with the reason)."""

    state: str
    described: Described | None
    model: str
    cost_usd: Decimal
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Said:
    described: Described | None
    model: str
    cost_usd: Decimal
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Describer:
    """`models` are tried from the cheapest to the strongest; `prompt` is the version in use.

    A `fresh` one is answered with no reply that was stored before.
    """

    models: Sequence[ChatModel]
    prompt: Prompt
    fresh: bool = False

    def describe(self, text: str, text_hash: str) -> Outcome:
        """What the models say of the text.

        A reply that cannot be used is asked for once more. Raises TransientError and BudgetError:
        these say nothing about the text.
        """
        last = len(self.models) - 1
        at = last if complexity(text) >= COMPLEX else 0
        said = self._ask(at, text, text_hash)
        if said.described is None:
            # More room makes it another request: a cached reply would be as unusable again.
            again = self._ask(min(at + 1, last), text, text_hash, 2 * _OUTPUT_TOKENS)
            said = _Said(again.described, again.model, said.cost_usd + again.cost_usd, again.reason)
        elif said.described.confidence < CONFIDENT and at < last:
            said = _better(said, self._ask(last, text, text_hash))
        if said.described is None:
            return Outcome("set_aside", None, said.model, said.cost_usd, said.reason)
        unsure = said.described.confidence < ACCEPTED
        state = "review" if unsure else "accepted"
        return Outcome(state, said.described, said.model, said.cost_usd)

    def most(self, text: str, text_hash: str) -> Estimate:
        """What `describe` costs at most: the first reply, and the dearest second one there can be."""
        last = len(self.models) - 1
        at = last if complexity(text) >= COMPLEX else 0
        seconds = [
            (min(at + 1, last), 2 * _OUTPUT_TOKENS),
            *([(last, _OUTPUT_TOKENS)] * (at < last)),
        ]
        first, *others = (
            self.models[model].most(self._request(text, text_hash, tokens))
            for model, tokens in [(at, _OUTPUT_TOKENS), *seconds]
        )
        return first + max(others, key=lambda estimate: estimate.cost_usd)

    def _ask(self, at: int, text: str, text_hash: str, tokens: int = _OUTPUT_TOKENS) -> _Said:
        model, request = self.models[at], self._request(text, text_hash, tokens)
        try:
            completion = model.complete(request)
        except ModelError:
            return _Said(None, model.name, Decimal(0), "refused: the model gave no answer")
        described, reason = None, "cut: the reply was cut off"
        if completion.finish_reason != "length":
            try:
                described, reason = read(completion.text), ""
            except ValueError as error:
                reason = str(error)
        return _Said(described, completion.model, completion.cost_usd, reason)

    def _request(self, text: str, text_hash: str, tokens: int) -> ChatRequest:
        fields = [{"name": name, "description": what} for name, what in FIELDS]
        rendered = self.prompt.render(
            {"title": "", "text": text[:MOST_CHARACTERS], "fields": fields}
        )
        return ChatRequest(
            chat_messages(rendered), named(rendered), max_output_tokens=tokens,
            operation="enrich", document=text_hash, fresh=self.fresh,
        )  # fmt: skip


def _better(first: _Said, second: _Said) -> _Said:
    assert first.described is not None
    cost = first.cost_usd + second.cost_usd
    sure = second.described is not None and (
        second.described.confidence >= first.described.confidence
    )
    best = second if sure else first
    return _Said(best.described, best.model, cost)
