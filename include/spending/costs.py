"""What was spent, by model, Dag, task, day or document. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Any

from include.spending.entries import CACHED, REFUSED, RESERVED, UNKNOWN, UNUSABLE, Entry
from include.spending.ledger import total

Json = dict[str, Any]
NOBODY = "-"
"""The group of calls that have no such thing, as a call from the command line has no Dag."""

GROUPINGS: dict[str, Callable[[Entry], str]] = {
    "model": lambda entry: entry.purpose.model,
    "dag": lambda entry: entry.caller.dag,
    "task": lambda entry: ".".join(filter(None, (entry.caller.dag, entry.caller.task))),
    "day": lambda entry: entry.at.astimezone(UTC).date().isoformat(),
    "document": lambda entry: entry.purpose.document,
}


@dataclass(frozen=True, slots=True)
class Sum:
    """The calls of a group. Every call sent to a provider counts, retries included.

    `reserved_usd` is the part of the cost of calls whose process died, or that are in flight;
    `unknown_usd` that of calls without an answer. Both are upper estimates, and within `cost_usd`.
    """

    calls: int
    refused: int
    unusable: int
    from_cache: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: Decimal
    reserved_usd: Decimal
    unknown_usd: Decimal

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Sum:
        """The sum over these calls. Answers from our own cache add no tokens."""
        held = list(entries)
        paid = [each for each in held if each.status != CACHED]

        def count(status: str) -> int:
            return sum(each.status == status for each in held)

        return cls(
            calls=len(paid),
            refused=count(REFUSED),
            unusable=count(UNUSABLE),
            from_cache=len(held) - len(paid),
            input_tokens=sum(each.tokens.input for each in paid),
            output_tokens=sum(each.tokens.output for each in paid),
            cached_tokens=sum(each.tokens.cached for each in paid),
            cost_usd=total(paid),
            reserved_usd=total(each for each in held if each.status == RESERVED),
            unknown_usd=total(each for each in held if each.status == UNKNOWN),
        )

    def as_json(self) -> Json:
        """Counts, and money as decimal strings."""
        return {
            name: f"{value:f}" if isinstance(value, Decimal) else value
            for name in self.__slots__
            for value in (getattr(self, name),)
        }


def costs(entries: Iterable[Entry], by: str) -> Json:
    """The sum of all calls and of each group, the dearest first; days in their order."""
    held = list(entries)
    groups: dict[str, list[Entry]] = {}
    for entry in held:
        groups.setdefault(GROUPINGS[by](entry) or NOBODY, []).append(entry)
    sums = {name: Sum.of(each) for name, each in groups.items()}
    order = sorted(sums, key=lambda name: name if by == "day" else (-sums[name].cost_usd, name))
    everything = Sum.of(held).as_json()
    return {
        "total_usd": everything.pop("cost_usd"),
        "tokens": everything["input_tokens"] + everything["output_tokens"],
        **everything,
        "by": by,
        "groups": [{by: name, **sums[name].as_json()} for name in order],
    }
