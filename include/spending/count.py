"""What one budget has counted, and the changes that a call makes to it. Pure.

Every change may be repeated: a store can say that a write failed which it has done. What is set
aside is known by the call's id, and of what is counted at once the last changes are remembered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from include.errors import BudgetError, LakeError
from include.spending.entries import Entry

_REMEMBERED = 64
"""Changes that others may make before a change of one's own cannot be repeated any more."""
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Scope:
    """One budget: the object that counts it, its limit, and whose calls it covers."""

    path: str
    name: str
    limit: Decimal
    since: date
    run: str | None = None

    def has_counted(self, entry: Entry) -> bool:
        """Whether the call was counted here before it was made."""
        return entry.budgeted if self.run is None else entry.run_budgeted


@dataclass(slots=True)
class Count:
    """What a budget's object holds: what was spent, also while there was no budget, and set aside.

    `done` names the last changes that were counted at once, the latest first.
    """

    spent: Decimal = _ZERO
    unbudgeted: Decimal = _ZERO
    reserved: dict[str, Decimal] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    @property
    def used(self) -> Decimal:
        """What is gone, or may be."""
        return self.spent + self.unbudgeted + sum(self.reserved.values(), _ZERO)

    def reserve(self, entry: Entry, scope: Scope) -> None:
        """Sets the cost aside. Raises BudgetError above the limit."""
        if entry.id not in self.reserved:
            self._require(entry, scope)
            self.reserved[entry.id] = entry.cost_usd

    def release(self, entry: Entry) -> None:
        """Takes that back: the call is not made."""
        self.reserved.pop(entry.id, None)

    def settle(self, entry: Entry) -> None:
        """Counts what the call cost instead of what was set aside for it."""
        if self.reserved.pop(entry.id, None) is not None:
            self.spent += entry.cost_usd

    def begin(self, entry: Entry, scope: Scope) -> None:
        """Counts the cost as spent. Raises BudgetError above the limit."""
        if _begun(entry) not in self.done:
            self._require(entry, scope)
            self._add(_begun(entry), entry.cost_usd)

    def take_back(self, entry: Entry) -> None:
        """Undoes that: the call is not made."""
        if _begun(entry) in self.done:
            self.done.remove(_begun(entry))
            self.spent -= entry.cost_usd

    def end(self, entry: Entry, difference: Decimal) -> None:
        """Counts by how much the call was dearer than was counted when it began."""
        if f"end {entry.id}" not in self.done:
            self._add(f"end {entry.id}", difference)

    @classmethod
    def read(cls, data: bytes, path: str) -> Count:
        """The count of an object. Raises LakeError for one that is none."""
        try:
            held = json.loads(data)
            reserved = {name: Decimal(cost) for name, cost in held["reserved"].items()}
            done = [str(each) for each in held.get("done", ())]  # older counts have none
            return cls(Decimal(held["spent"]), Decimal(held["unbudgeted"]), reserved, done)
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
            raise LakeError(
                f"{path} should hold what a budget has counted, is {data[:80]!r}: delete it, and it "
                f"is counted again from the ledger."
            ) from None

    def written(self) -> bytes:
        """The object that `read` reads."""
        reserved = {name: f"{cost:f}" for name, cost in self.reserved.items()}
        held = {"spent": f"{self.spent:f}", "unbudgeted": f"{self.unbudgeted:f}"}
        return json.dumps(held | {"reserved": reserved, "done": self.done}).encode()

    def _add(self, change: str, amount: Decimal) -> None:
        self.spent += amount
        self.done = [change, *self.done][:_REMEMBERED]

    def _require(self, entry: Entry, scope: Scope) -> None:
        if self.used + entry.cost_usd > scope.limit:
            raise BudgetError(
                f"The budget {scope.name} is {scope.limit} USD; {self.used:f} USD are spent or set "
                f"aside, and the next call may cost {entry.cost_usd:f}. It was not made. Everything "
                f"paid for is kept: a run after the budget is renewed or raised (Variable "
                f"rag_budgets) goes on where this one stopped."
            )


def _begun(entry: Entry) -> str:
    return f"begin {entry.id}"
