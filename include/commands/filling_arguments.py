"""`plan`, `sync`, `reembed`, `indexes`, `promote`, `rollback`: their arguments, and what runs them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from include.commands import show
from include.commands.adding import Add, Json, add_approval
from include.wiring import Platform

if TYPE_CHECKING:
    from include.commands.ingest import Switches


def add_commands(add: Add) -> None:
    """Adds these commands to the parser."""
    for name, run, shown, promise in (
        ("plan", _plan, show.plan, "Tell what a sync would do and cost; change nothing."),
        ("sync", _sync, show.receipt, "Make the index equal to the source."),
    ):
        command = add(name, run, shown, promise)
        command.add_argument(
            "--reread", action="store_true", help="open every file, whatever its stamp"
        )
        command.add_argument(
            "--allow-deletions", action="store_true", help="lift max_delete_fraction for this run"
        )
        command.add_argument(
            "--rebuild",
            action="store_true",
            help="fill the index of changed settings, then switch to it",
        )
        if name == "plan":
            _add_target(command, default=None)
        else:
            add_approval(command)
    reembed = add("reembed", _reembed, show.plain, "Fill another index beside the live one.")
    _add_target(reembed, default="")
    add_approval(reembed)
    reembed.add_argument(
        "--batch-api",
        action="store_true",
        help="embed through the provider's batches: half the price, within a day",
    )
    indexes = add("indexes", _indexes, show.indexes, "List the indexes and their states.")
    indexes.add_argument(
        "--drop", metavar="NAME", help="delete an index that is neither live nor previous"
    )
    promote = add("promote", _promote, show.indexes, "Make a candidate live, if it passed.")
    promote.add_argument("name")
    promote.add_argument(
        "--overrule", default="", metavar="REASON", help="although it was refused, and why"
    )
    add("rollback", _rollback, show.indexes, "Make the previous index live again; embeds nothing.")


def _plan(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.ingest import plan

    if chosen.target is not None:
        from include.commands import reembed

        within = reembed.days(chosen.first_day, chosen.last_day)
        return reembed.plan(reembed.target(platform, chosen.target), within), 0
    return plan(platform, _switches(chosen)), 0


def _sync(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.ingest import sync

    return sync(platform, _switches(chosen))


def _reembed(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.reembed import days, reembed, target

    within = days(chosen.first_day, chosen.last_day)
    chosen_index = target(platform, chosen.target)
    return reembed(chosen_index, within, batch_api=chosen.batch_api), 0


def _indexes(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.state import drop_index, indexes

    if chosen.drop:
        drop_index(platform, chosen.drop)
    return indexes(platform), 0


def _promote(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.reembed import promote

    return promote(platform, chosen.name, chosen.overrule), 0


def _rollback(platform: Platform, _: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.reembed import rollback

    return rollback(platform), 0


def _switches(chosen: argparse.Namespace) -> Switches:
    from include.commands.ingest import Switches

    return Switches(chosen.reread, chosen.allow_deletions, chosen.rebuild)


def _add_target(command: argparse.ArgumentParser, default: str | None) -> None:
    command.add_argument(
        "--target",
        default=default,
        metavar="SETTINGS",
        help="another index: 'RAG_EMBEDDER=local:model RAG_CHUNK_TOKENS=128' (what is not named stays)",
    )
    for side in ("first", "last"):
        command.add_argument(
            f"--{side}-day", default="", help=f"the {side} day of ingestion, as 2026-11-21"
        )
