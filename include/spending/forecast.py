"""What a run that asks a chat model costs at most, told before it asks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from include.spending.approval import Largest, Proposal, Work


@dataclass(frozen=True, slots=True)
class Estimate:
    """Calls, and what they take at most: prompts as counted, replies as long as they may be."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            (self.cost_usd + other.cost_usd).normalize(),  # 8, not 8.0
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """So many texts or questions that `model` is to be asked about, and what that costs at most."""

    work: Work
    model: str
    items: int
    most: Estimate
    largest: Sequence[Largest] = ()

    def as_json(self) -> dict[str, object]:
        """Calls, tokens and cost, each at most; the cost as a plain decimal string."""
        return {
            "calls": self.most.calls,
            "input_tokens": self.most.input_tokens,
            "output_tokens": self.most.output_tokens,
            "estimated_cost_usd": f"{self.most.cost_usd:f}",
        }

    def proposal(self, spent_today: Decimal) -> Proposal:
        """What a person is asked about it."""
        return Proposal(
            model=self.model,
            counts={
                self.work.bought: self.items,
                "calls, at most": self.most.calls,
                "tokens of replies, at most": self.most.output_tokens,
            },
            tokens=self.most.input_tokens,
            cost_usd=self.most.cost_usd,
            largest=self.largest,
            spent_today=spent_today,
            work=self.work,
        )
