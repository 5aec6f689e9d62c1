"""`search`, `ask`, `answer`, `enrich`, `trace`: their arguments, and what runs them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from include.commands import show
from include.commands.adding import Add, Json, add_approval
from include.wiring import Platform

if TYPE_CHECKING:
    from include.commands.query import Narrowing


_PROMPT_VERSION = "a version, a label or latest of the prompt `answer` (default: production)"


def add_commands(add: Add) -> None:
    """Adds these commands to the parser."""
    search = add("search", _search, show.hits, "Find the chunks that match a text.")
    search.add_argument("text")
    search.add_argument("-k", type=int, default=10, help="how many hits (default 10)")
    search.add_argument("--mode", choices=("hybrid", "vector", "text"), default="hybrid")
    search.add_argument("--index", help="search this index instead of the live one")
    ask = add("ask", _ask, show.answer, "Answer a question from the documents, with citations.")
    ask.add_argument("text")
    ask.add_argument("-k", type=int, default=10, help="how many chunks to read (default 10)")
    ask.add_argument("--prompt-version", metavar="V", help=_PROMPT_VERSION)
    ask.add_argument(
        "--fresh", action="store_true", help="not an answer that a similar question got before"
    )
    for command in (search, ask):
        _add_narrowing(command)
    answer = add(
        "answer", _answer, _show_answers, "Answer a file of questions; go on where it stopped."
    )
    answer.add_argument("file", type=Path, help="JSONL or CSV with `question`, or one a line")
    answer.add_argument("--out", type=Path, help="write the answers here too, as JSON Lines")
    answer.add_argument("-k", type=int, default=10, help="how many chunks to read (default 10)")
    answer.add_argument("--prompt-version", metavar="V", help=_PROMPT_VERSION)
    enrich = add("enrich", _enrich, _show_enriched, "Let a chat model fill in documents' metadata.")
    enrich.add_argument("--most", type=int, default=1_000, help="at most so many (default 1000)")
    enrich.add_argument("--again", action="store_true", help="also what could not be described")
    for command, what in ((answer, "questions"), (enrich, "texts")):
        command.add_argument(
            "--plan", action="store_true", help=f"tell how many {what} and their cost; ask nothing"
        )
        add_approval(command)
    trace = add("trace", _trace, show.plain, "Show the whole chain behind one answer.")
    trace.add_argument("trace_id")
    trace.add_argument(
        "--replay", action="store_true", help="ask again as it was asked, and tell what differs"
    )


def _search(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.query import logged_search, searcher

    within = searcher(platform, chosen.index, _narrowing(chosen))
    return logged_search(platform, within, chosen.text, k=chosen.k, mode=chosen.mode), 0


def _ask(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.query import Asking, answered

    asking = Asking(chosen.k, _narrowing(chosen), chosen.prompt_version, fresh=chosen.fresh)
    return answered(platform, chosen.text, asking), 0


def _answer(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.answers import answer_file, plan_file

    if chosen.plan:
        return plan_file(platform, chosen.file, k=chosen.k, prompt=chosen.prompt_version)
    return answer_file(
        platform, chosen.file, out=chosen.out, k=chosen.k, prompt=chosen.prompt_version
    )


def _show_answers(answer: Json) -> str:
    from include.commands.answers import shown

    return shown(answer)


def _enrich(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.enrich import enrich, plan_only

    if chosen.plan:
        return plan_only(platform, most=chosen.most, again=chosen.again), 0
    return enrich(platform, most=chosen.most, again=chosen.again)


def _show_enriched(answer: Json) -> str:
    from include.commands.enrich import shown

    return shown(answer)


def _trace(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.query import trace

    return trace(platform, chosen.trace_id, replay=chosen.replay), 0


def _narrowing(chosen: argparse.Namespace) -> Narrowing:
    from include.commands.query import Narrowing
    from include.metadata import parse_labels

    given = chosen.principals
    labels = (
        None if given is None else [each for one in given for each in parse_labels(one, "--as")]
    )
    return Narrowing(chosen.filter, labels, chosen.dedupe)


def _add_narrowing(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--filter",
        metavar="EXPR",
        help="only chunks of which it is true: \"lang = 'en' and year >= 2024\"",
    )
    command.add_argument(
        "--as",
        dest="principals",
        action="append",
        metavar="LABEL",
        help="search as a reader with this access label (repeatable); without it, see everything",
    )
    command.add_argument(
        "--dedupe",
        action=argparse.BooleanOptionalAction,
        help="keep one document of each near-duplicate group (default: RAG_DEDUPLICATE_RESULTS)",
    )
