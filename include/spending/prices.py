"""What tokens cost: a maintained, dated table that needs no network, and a person's overrides.

Prices are those of the moment of the call. A model that neither knows is refused before anything
is sent: it is never counted as free.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation

from include.errors import ConfigurationError

VARIABLE = "rag_prices"
FREE_PROVIDERS = ("local", "fake")
"""Models that run here: their tokens cost nothing but this machine's time."""
_MILLION = Decimal(1_000_000)
BATCH_SHARE = Decimal("0.5")
"""What a token costs in a provider's batch, as a share of its price in a call: OpenAI's price list."""
_ALLOWED = (
    "input_per_million_usd", "output_per_million_usd", "cached_input_per_million_usd",
    "batch_input_per_million_usd",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a call took. `cached` are those of `input` that the provider had in its own cache.

    `counted` says that these are our counts, for the provider told none.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens of each kind; `batch` is input in a batch, where it is known."""

    input: Decimal
    output: Decimal
    cached: Decimal
    batch: Decimal | None = None

    def of(self, tokens: Tokens) -> Decimal:
        """Exactly what these tokens cost."""
        fresh = tokens.input - tokens.cached
        total = fresh * self.input + tokens.cached * self.cached + tokens.output * self.output
        return total / _MILLION


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model; `overrides` win over the table."""

    overrides: Mapping[str, Price] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> Prices:
        """Prices with the overrides of Variable `rag_prices`, a JSON object by model name.

        Raises ConfigurationError for an entry that is no price.
        """
        try:
            held = json.loads(text or "{}")
        except ValueError:
            held = None
        if not isinstance(held, dict):
            raise ConfigurationError(
                f"Variable {VARIABLE} should be a JSON object of prices by model, is {text!r}."
            )
        return cls({model: _price(model, entry) for model, entry in held.items()})

    def cost(self, provider: str, model: str, tokens: Tokens, at: datetime) -> Decimal:
        """What these tokens cost at that moment. Raises ConfigurationError for an unknown model."""
        if provider in FREE_PROVIDERS:
            return Decimal(0)
        override = self.overrides.get(model)
        return override.of(tokens) if override else _listed(provider, model, tokens, at)

    def batch_cost(self, provider: str, model: str, tokens: Tokens, at: datetime) -> Decimal:
        """What these input tokens cost in a batch begun at that moment.

        The tables of prices do not know batches: BATCH_SHARE of the price, unless Variable
        `rag_prices` has `batch_input_per_million_usd`.
        """
        override = self.overrides.get(model)
        if override is not None and override.batch is not None:
            return tokens.input * override.batch / _MILLION
        return self.cost(provider, model, tokens, at) * BATCH_SHARE

    def require(self, provider: str, model: str, at: datetime) -> None:
        """Raises ConfigurationError for a model without a price."""
        self.cost(provider, model, Tokens(1, 1), at)


def _listed(provider: str, model: str, tokens: Tokens, at: datetime) -> Decimal:
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cache_read_tokens=tokens.cached or None,
    )
    try:
        found = calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)
    except LookupError:
        raise ConfigurationError(
            f"The price of the model {model!r} is unknown, and nothing was sent to it. Give it in "
            f'the Airflow Variable {VARIABLE}: {{"{model}": {{"input_per_million_usd": "…", '
            f'"output_per_million_usd": "…"}}}} ("0" for a server of your own).'
        ) from None
    return found.total_price


def _price(model: str, entry: object) -> Price:
    name = f"Variable {VARIABLE}, model {model!r},"
    if not isinstance(entry, dict) or "input_per_million_usd" not in entry:
        raise ConfigurationError(
            f"{name} should be an object with input_per_million_usd, is {entry!r}."
        )
    for key, value in entry.items():
        if key not in _ALLOWED:
            raise ConfigurationError(
                f"{name} has an unknown entry {key!r}; allowed are {', '.join(_ALLOWED)}."
            )
        _amount(f"{name} entry {key}", value)
    asked = Decimal(str(entry["input_per_million_usd"]))
    said = Decimal(str(entry.get("output_per_million_usd", 0)))
    cached, batch = (entry.get(f"{name}_input_per_million_usd") for name in ("cached", "batch"))
    return Price(
        asked,
        said,
        asked if cached is None else Decimal(str(cached)),
        None if batch is None else Decimal(str(batch)),
    )


def _amount(name: str, value: object) -> None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise ConfigurationError(f"{name} should be a number of at least 0, is {value!r}.")
