"""`costs` and `reconcile`: what was spent, and whether the provider says the same."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from include.errors import ConfigurationError
from include.spending.alerts import alerts
from include.spending.costs import costs
from include.spending.ledger import Ledger, today_utc
from include.spending.reconcile import read_export, reconcile
from include.wiring import Platform

Json = dict[str, Any]
_MOST_DAYS = 3_660


def spent(platform: Platform, *, days: int, by: str) -> Json:
    """The costs of the last days, today (UTC) included."""
    if not 1 <= days <= _MOST_DAYS:
        raise ConfigurationError(f"--days should be from 1 to {_MOST_DAYS}, is {days}.")
    since = today_utc() - timedelta(days=days - 1)
    ledger = Ledger(platform.lake.objects)
    entries = list(ledger.entries(since))
    told = [each.as_json() for each in alerts(entries, platform.settings.budgets)]
    return {"since": since.isoformat()} | costs(entries, by) | {"alerts": told}


def compared(platform: Platform, file: Path) -> tuple[Json, int]:
    """The ledger against a usage export; status 1 when they disagree."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The usage export {str(file)!r} cannot be read ({type(error).__name__}): give a CSV "
            f"file in UTF-8."
        ) from None
    export = read_export(text)
    days = sorted(date.fromisoformat(day) for day, _ in export)
    if not days:
        raise ConfigurationError(f"The usage export {str(file)!r} has no rows to compare.")
    ledger = Ledger(platform.lake.objects)
    held = [day for day in ledger.days() if days[0] <= day <= days[-1]]
    found = reconcile(export, (entry for day in held for entry in ledger.entries(day, day)))
    answer = {"since": days[0].isoformat(), "until": days[-1].isoformat(), **found}
    return answer, 0 if found["agrees"] else 1


def show_costs(answer: Json) -> str:
    """The total, then one line a group."""
    lines = [
        f"Since {answer['since']}: ${answer['total_usd']} for {answer['calls']} calls, "
        f"{answer['tokens']} tokens; {answer['from_cache']} more from the cache."
    ]
    for name, sense in (("reserved_usd", "in flight or killed"), ("unknown_usd", "unanswered")):
        if answer[name] not in ("0", ""):
            lines.append(f"${answer[name]} of it {sense}: an upper estimate.")
    lines += [
        f"{'$' + each['cost_usd']:>16}  {each['calls']:>7} calls  {each[answer['by']]}"
        for each in answer["groups"]
    ]
    lines += [f"Alert: {each['message']}" for each in answer["alerts"]]
    return "\n".join(lines)


def show_comparison(answer: Json) -> str:
    """One line a day and model, then the verdict."""
    lines = []
    for row in answer["rows"]:
        parts = [
            f"{name} {said['provider']} / {said['ledger']}"
            for name in ("requests", "input_tokens", "output_tokens", "cost_usd")
            if (said := row[name])["provider"] is not None
        ]
        mark = "agrees  " if row["agrees"] else "DIFFERS "
        lines.append(f"{mark}{row['day']} {row['model']}: {', '.join(parts)}")
    verdict = "agree" if answer["agrees"] else "do not agree"
    return "\n".join([*lines, f"Provider and ledger {verdict} (provider / ledger)."])
