"""`status`, `costs`, `reconcile`, `duplicates`, `verify`, `quarantine`, `erase`: their arguments."""

from __future__ import annotations

import argparse
from pathlib import Path

from include.commands import show
from include.commands.adding import Add, Json
from include.wiring import Platform


def add_commands(add: Add) -> None:
    """Adds these commands to the parser."""
    add("status", _status, show.status, "Show what the lake holds.")
    _add_spending(add)
    duplicates = add("duplicates", _duplicates, show.duplicates, "List near-duplicate documents.")
    duplicates.add_argument(
        "--threshold", type=float, help="least likeness, 0.5 to 1 (default 0.9)"
    )
    verify = add("verify", _verify, show.verification, "Check that everything in the lake agrees.")
    verify.add_argument("--repair", action="store_true", help="put right what is found")
    verify.add_argument("--source", action="store_true", help="compare with the source as well")
    verify.add_argument(
        "--keep-days", type=int, default=7, help="what is younger may be at work (default 7)"
    )
    quarantine = add(
        "quarantine",
        _quarantine,
        show.quarantine,
        "Show documents set aside, and decide about them.",
    )
    quarantine.add_argument(
        "action",
        choices=("list", "release", "keep", "drop"),
        help="list them; try this version again; keep the old version; take it out of the index",
    )
    quarantine.add_argument("documents", nargs="*", help="ids or uris to decide about")
    quarantine.add_argument("--all", action="store_true", help="decide about all of them")
    quarantine.add_argument("--reason", help="decide about all with this reason")
    erase = add("erase", _erase, show.erasure, "Remove a document for good, and prove it.")
    erase.add_argument("uri", help="its uri; with #id one row of a file of records")
    erase.add_argument(
        "--ignore-source",
        action="store_true",
        help="although it is still at the source: keep it out from now on",
    )
    erase.add_argument(
        "--unfinished-runs",
        action="store_true",
        help="also delete what a run in flight needs; that run fails and is to be run again",
    )


def _status(platform: Platform, _: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.state import status

    return status(platform), 0


def _costs(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.costs import spent

    return spent(platform, days=chosen.days, by=chosen.by), 0


def _reconcile(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.costs import compared

    return compared(platform, chosen.file)


def _show_costs(answer: Json) -> str:
    from include.commands.costs import show_comparison, show_costs

    return show_comparison(answer) if "agrees" in answer else show_costs(answer)


def _duplicates(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.duplicates import duplicates

    return duplicates(platform, chosen.threshold), 0


def _verify(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.verify import verify

    days = chosen.keep_days
    return verify(platform, repair=chosen.repair, source=chosen.source, keep_days=days)


def _quarantine(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.state import named, quarantined, review

    if chosen.action == "list":
        return quarantined(platform), 0
    names = chosen.documents
    if chosen.all or chosen.reason:
        names += named(platform, chosen.reason)
    return review(platform, chosen.action, names), 0


def _erase(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.erase import Switches, erase

    return erase(platform, chosen.uri, Switches(chosen.ignore_source, chosen.unfinished_runs))


def _add_spending(add: Add) -> None:
    costs = add(
        "costs", _costs, _show_costs, "Tell what models cost, by what they were called for."
    )
    costs.add_argument("--days", type=int, default=30, help="so many days, with today (default 30)")
    costs.add_argument("--by", choices=("model", "dag", "task", "day", "document"), default="model")
    reconcile = add(
        "reconcile", _reconcile, _show_costs, "Compare the ledger with a provider's usage export."
    )
    reconcile.add_argument("file", type=Path, help="CSV with date, model, tokens, and more")
