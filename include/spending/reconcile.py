"""The ledger against a provider's own account: a usage export, compared by day and model. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from include.errors import ConfigurationError
from include.spending.entries import CACHED, REFUSED, RESERVED, Entry

Json = dict[str, Any]
Key = tuple[str, str]

_COLUMNS = {
    "day": ("date", "day", "start_time_iso", "start_time", "timestamp", "usage_date"),
    "model": ("model", "snapshot_id", "model_name"),
    "requests": ("num_model_requests", "requests", "num_requests", "n_requests"),
    "input_tokens": ("input_tokens", "n_context_tokens_total", "prompt_tokens"),
    "output_tokens": ("output_tokens", "n_generated_tokens_total", "completion_tokens"),
    "cost_usd": ("cost_usd", "amount_value", "cost", "cost_in_usd"),
}
"""What providers call these columns; the first that is there is taken."""
_NEEDED = ("day", "model", "input_tokens")
_MOST = Decimal(10) ** 18
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


@dataclass(slots=True)
class Used:
    """What one side says of a model on a day; None is what it does not say."""

    requests: Decimal | None = None
    input_tokens: Decimal | None = None
    output_tokens: Decimal | None = None
    cost_usd: Decimal | None = None

    def add(self, name: str, amount: Decimal) -> None:
        """Adds to one of the fields."""
        setattr(self, name, (getattr(self, name) or Decimal(0)) + amount)


def read_export(text: str) -> dict[Key, Used]:
    """Usage by day and model. Raises ConfigurationError for a table that is no usage export."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        columns = _columns(rows.fieldnames or [])
        return _summed(rows, columns)
    except csv.Error as error:
        raise ConfigurationError(
            f"Line {rows.line_num} of the usage export is no CSV: {error}."
        ) from None


def _summed(rows: Iterable[dict[str, str]], columns: dict[str, str]) -> dict[Key, Used]:
    found: dict[Key, Used] = defaultdict(Used)
    for number, row in enumerate(rows, start=2):
        try:
            used = found[_day(row[columns["day"]]), _model(row[columns["model"]])]
            for name in Used.__slots__:
                if name in columns:
                    used.add(name, _amount(row[columns[name]]))
        except (ValueError, TypeError, AttributeError, ArithmeticError, OSError):
            raise ConfigurationError(
                f"Line {number} of the usage export cannot be read: {dict(row)!s:.200}."
            ) from None
    return found


def reconcile(export: dict[Key, Used], entries: Iterable[Entry]) -> Json:
    """Every day and model that either side knows, with the differences.

    A call whose answer never came may or may not be in the export: `uncertain` counts such calls,
    and the sides agree if they differ by no more than those.
    """
    ours, uncertain = _ours(entries)
    rows = [
        _row(key, export.get(key), ours.get(key), uncertain.get(key, []))
        for key in sorted({*export, *ours})
    ]
    return {"agrees": all(row["agrees"] for row in rows), "rows": rows}


def _ours(entries: Iterable[Entry]) -> tuple[dict[Key, Used], dict[Key, list[Entry]]]:
    ours: dict[Key, Used] = defaultdict(Used)
    uncertain: dict[Key, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.status in (CACHED, REFUSED):
            continue
        key = entry.at.astimezone(UTC).date().isoformat(), _model(entry.purpose.model)
        used = ours[key]
        used.add("requests", Decimal(entry.requests))
        used.add("input_tokens", Decimal(entry.tokens.input))
        used.add("output_tokens", Decimal(entry.tokens.output))
        used.add("cost_usd", entry.cost_usd)
        if entry.status == RESERVED or entry.tokens.counted:
            uncertain[key].append(entry)
    return ours, uncertain


def _row(key: Key, theirs: Used | None, ours: Used | None, uncertain: list[Entry]) -> Json:
    provider, ledger = theirs or Used(), ours or Used()
    row: Json = {"day": key[0], "model": key[1], "uncertain": len(uncertain)}
    agrees = True
    slack = {
        "requests": Decimal(sum(each.requests for each in uncertain)),
        "input_tokens": Decimal(sum(each.tokens.input for each in uncertain)),
        "output_tokens": Decimal(sum(each.tokens.output for each in uncertain)),
        "cost_usd": sum((each.cost_usd for each in uncertain), Decimal(0)),
    }
    for name in Used.__slots__:
        said = getattr(provider, name) if theirs else Decimal(0)
        held = getattr(ledger, name) or Decimal(0)
        if said is None:  # the export has no such column
            row[name] = {"provider": None, "ledger": f"{held:f}", "difference": None}
            continue
        missing = said - held
        agrees &= -slack[name] <= missing <= 0
        row[name] = {"provider": f"{said:f}", "ledger": f"{held:f}", "difference": f"{missing:f}"}
    return row | {"agrees": agrees}


def _columns(names: Iterable[str]) -> dict[str, str]:
    by_name = {name.strip().lower(): name for name in names}
    columns = {
        role: by_name[found]
        for role, known in _COLUMNS.items()
        if (found := next((name for name in known if name in by_name), ""))
    }
    missing = [role for role in _NEEDED if role not in columns]
    if missing:
        raise ConfigurationError(
            f"The usage export should have a column for {missing[0]} (one of "
            f"{', '.join(_COLUMNS[missing[0]])}), has {', '.join(by_name) or 'none'}."
        )
    return columns


def _amount(value: str | None) -> Decimal:
    amount = Decimal(value or "0")
    if not abs(amount) < _MOST:  # nor is it for NaN
        raise ValueError(value)
    return amount


def _day(value: str) -> str:
    text = value.strip()
    if text.isdigit() and len(text) in (9, 10):  # seconds; later ones are no moment of a call
        return datetime.fromtimestamp(int(text), UTC).date().isoformat()
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        return moment.astimezone(UTC).date().isoformat()
    return date(moment.year, moment.month, moment.day).isoformat()


def _model(name: str) -> str:
    """The model without the date of its snapshot, which exports add."""
    return _DATED.sub("", name.strip())
