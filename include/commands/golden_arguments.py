"""`golden`: its arguments, and what runs it."""

from __future__ import annotations

import argparse
from pathlib import Path

from include.commands import show
from include.commands.adding import Add, Json, add_approval
from include.errors import ConfigurationError
from include.wiring import Platform


def add_golden(add: Add) -> None:
    """Adds the command to the parser."""
    golden = add("golden", _golden, _shown, "Make golden questions, and decide about them.")
    golden.add_argument(
        "action",
        nargs="?",
        choices=("list", "generate", "accept", "reject", "export"),
        help="show the questions in the lake; let new ones wait; decide; write the accepted ones; "
        "without an action a file of titles and headings is written",
    )
    golden.add_argument("ids", nargs="*", help="accept, reject: ids of questions")
    golden.add_argument("--out", type=Path, help="JSONL file to write")
    golden.add_argument("--count", type=int, default=200, help="at most so many (default 200)")
    golden.add_argument("--seed", type=int, default=7, help="another number, other questions")
    golden.add_argument(
        "--state", choices=("waiting", "accepted", "rejected"), help="list: only these"
    )
    golden.add_argument(
        "--most", type=int, default=50, help="generate: ask about so many passages (default 50)"
    )
    golden.add_argument(
        "--again", action="store_true", help="generate: also what gave no usable reply before"
    )
    golden.add_argument("--all", action="store_true", help="accept, reject: all that wait")
    golden.add_argument("--question", default="", help="accept: in these words instead")
    add_approval(golden)


def _golden(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands import golden, golden_set

    if chosen.action == "generate":
        return golden_set.generated(
            platform, most=chosen.most, seed=chosen.seed, again=chosen.again
        )
    if chosen.action == "list":
        return golden_set.listed(platform, chosen.state), 0
    if chosen.action in golden_set.DECISIONS:
        about = golden_set.Chosen(chosen.ids, chosen.all, chosen.question)
        return golden_set.decided(platform, golden_set.DECISIONS[chosen.action], about), 0
    if chosen.out is None:
        raise ConfigurationError("golden should be told the file to write with --out.")
    if chosen.action == "export":
        return golden_set.exported(platform, chosen.out), 0
    return golden.golden(platform, chosen.out, count=chosen.count, seed=chosen.seed), 0


def _shown(answer: Json) -> str:
    from include.commands.golden_set import shown

    return show.golden(answer) if answer.get("synthetic") else shown(answer)
