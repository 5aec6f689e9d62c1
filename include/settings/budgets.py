"""Limits of spending and deleting: the Airflow Variable `rag_budgets`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from include.errors import ConfigurationError
from include.settings.reader import Reader

VARIABLE = "AIRFLOW_VAR_RAG_BUDGETS"


@dataclass(frozen=True, slots=True)
class Budgets:
    """Limits that need a person to be exceeded; `None` means no limit."""

    max_delete_fraction: float = 0.5
    daily_usd: Decimal | None = None
    run_usd: Decimal | None = None
    approval_usd: Decimal | None = None

    def approving(self, amount: Decimal) -> Budgets:
        """These limits where a person has approved so much."""
        limit = self.approval_usd
        return self if limit is None else replace(self, approval_usd=max(limit, amount))

    @classmethod
    def parse(cls, raw: Mapping[str, object], name: str = "rag_budgets") -> Budgets:
        """Budgets from the Variable's mapping; an unknown or absurd entry is an error."""
        allowed = ("max_delete_fraction", "daily_usd", "run_usd", "approval_usd")
        for key, value in raw.items():
            if key not in allowed:
                raise ConfigurationError(
                    f"Variable {name} has an unknown entry {key!r}; allowed are {', '.join(allowed)}."
                )
            _positive(value, f"Variable {name}, entry {key}")
        fraction = raw.get("max_delete_fraction")
        if fraction is not None and float(str(fraction)) > 1:
            raise ConfigurationError(
                f"Variable {name}, entry max_delete_fraction should be between 0 and 1, is {fraction!r}."
            )
        return cls(
            0.5 if fraction is None else float(str(fraction)),
            *(None if raw.get(key) is None else Decimal(str(raw[key])) for key in allowed[1:]),
        )

    @classmethod
    def read(cls, read: Reader) -> Budgets:
        """Budgets from the environment, where it has the Variable."""
        raw = read.text(VARIABLE, "{}")
        try:
            parsed = json.loads(raw)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise ConfigurationError(f"{VARIABLE} should be a JSON object, is {raw!r}.")
        return cls.parse(parsed)


def _positive(value: object, name: str) -> None:
    try:
        parsed = Decimal(str(value))
    except InvalidOperation:
        parsed = Decimal(-1)
    if not parsed.is_finite() or parsed < 0:
        raise ConfigurationError(f"{name} should be a number of at least 0, is {value!r}.")
