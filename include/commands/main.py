"""Reads the arguments, runs one command, prints its answer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import fields, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.commands import prompts, show
from include.errors import ConfigurationError, PlatformError
from include.observability.log import log_to_stderr
from include.settings import STRATEGIES, Settings, load_env_file
from include.wiring import Platform

if TYPE_CHECKING:
    from include.commands.ingest import Switches
    from include.commands.query import Narrowing

Json = dict[str, Any]
_PROMPT_VERSION = "a version, a label or latest of the prompt `answer` (default: production)"
Command = Callable[[Platform, argparse.Namespace], tuple[Json, int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status and never shows a traceback for our errors."""
    chosen = _parser().parse_args(arguments)
    log_to_stderr(verbose=chosen.json or chosen.verbose)
    try:
        load_env_file()
        with closing(Platform(_settings(chosen))) as platform:
            answer, status = chosen.run(platform, chosen)
    except KeyboardInterrupt:
        print(
            "Interrupted. Nothing is lost: what was embedded is cached; run it again to go on.",
            file=sys.stderr,
        )
        return 130
    except PlatformError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    try:
        print(json.dumps(answer, ensure_ascii=False) if chosen.json else chosen.show(answer))
    except BrokenPipeError:
        sys.stderr.close()
    return int(status)


def _settings(chosen: argparse.Namespace) -> Settings:
    settings = Settings.from_environment()
    approved = getattr(chosen, "approve_usd", None)
    if approved is None:
        return settings
    return replace(settings, budgets=settings.budgets.approving(approved))


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


def _search(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.query import search, searcher

    within = searcher(platform, chosen.index, _narrowing(chosen))
    return search(within, chosen.text, k=chosen.k, mode=chosen.mode), 0


def _ask(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.query import ask

    narrowing = _narrowing(chosen)
    return ask(
        platform, chosen.text, k=chosen.k, narrowing=narrowing, prompt=chosen.prompt_version
    ), 0


def _answer(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.answers import answer_file

    return answer_file(
        platform, chosen.file, out=chosen.out, k=chosen.k, prompt=chosen.prompt_version
    )


def _show_answers(answer: Json) -> str:
    from include.commands.answers import shown

    return shown(answer)


def _enrich(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.enrich import enrich

    return enrich(platform, most=chosen.most, again=chosen.again)


def _show_enriched(answer: Json) -> str:
    from include.commands.enrich import shown

    return shown(answer)


def _trace(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.query import trace

    return trace(platform, chosen.trace_id, replay=chosen.replay), 0


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


def _indexes(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.state import drop_index, indexes

    if chosen.drop:
        drop_index(platform, chosen.drop)
    return indexes(platform), 0


def _promote(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.reembed import promote

    return promote(platform, chosen.name, chosen.overrule), 0


def _reembed(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.reembed import days, reembed, target

    within = days(chosen.first_day, chosen.last_day)
    return reembed(target(platform, chosen.target), within), 0


def _rollback(platform: Platform, _: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.state import indexes

    platform.registry.rollback()
    return indexes(platform), 0


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


def _evaluate(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.evaluate import Asked, evaluate

    if chosen.judge or chosen.prompt_version or chosen.agreement:
        from include.commands.grade import grade

        return grade(platform, chosen), 0
    asked = {each.name: getattr(chosen, each.name) for each in fields(Asked)}
    return evaluate(platform, Asked(**asked))


def _show_evaluation(answer: Json) -> str:
    from include.commands.grade import shown

    return shown(answer) if {"judged", "agreement"} & answer.keys() else show.evaluation(answer)


def _golden(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.golden import golden

    return golden(platform, chosen.out, count=chosen.count, seed=chosen.seed), 0


def _duplicates(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.duplicates import duplicates

    return duplicates(platform, chosen.threshold), 0


def _verify(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.verify import verify

    days = chosen.keep_days
    return verify(platform, repair=chosen.repair, source=chosen.source, keep_days=days)


def _narrowing(chosen: argparse.Namespace) -> Narrowing:
    from include.commands.query import Narrowing
    from include.metadata import parse_labels

    given = chosen.principals
    labels = (
        None if given is None else [each for one in given for each in parse_labels(one, "--as")]
    )
    return Narrowing(chosen.filter, labels, chosen.dedupe)


def _compare_chunkers(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.compare import Comparison, compare

    strategies = chosen.strategy or STRATEGIES
    return compare(
        platform, Comparison(chosen.questions, strategies, chosen.tokens, chosen.mode)
    ), 0


def _token_counts(value: str) -> tuple[int, ...]:
    counts = tuple(int(part) for part in value.split(","))
    if not all(16 <= count <= 1_000_000 for count in counts):
        raise ValueError(value)
    return counts


def _switches(chosen: argparse.Namespace) -> Switches:
    from include.commands.ingest import Switches

    return Switches(chosen.reread, chosen.allow_deletions, chosen.rebuild)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include",
        description="Keeps a searchable index equal to your documents, and answers from it.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Command, shown: Callable[[Json], str], promise: str) -> Any:
        command = commands.add_parser(name, help=promise, description=promise)
        command.add_argument("--json", action="store_true", help="print one JSON object to stdout")
        command.add_argument("-v", "--verbose", action="store_true", help="log stages to stderr")
        command.set_defaults(run=run, show=shown)
        return command

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
            _add_approval(command)
    reembed = add("reembed", _reembed, show.plain, "Fill another index beside the live one.")
    _add_target(reembed, default="")
    _add_approval(reembed)
    search = add("search", _search, show.hits, "Find the chunks that match a text.")
    search.add_argument("text")
    search.add_argument("-k", type=int, default=10, help="how many hits (default 10)")
    search.add_argument("--mode", choices=("hybrid", "vector", "text"), default="hybrid")
    search.add_argument("--index", help="search this index instead of the live one")
    ask = add("ask", _ask, show.answer, "Answer a question from the documents, with citations.")
    ask.add_argument("text")
    ask.add_argument("-k", type=int, default=10, help="how many chunks to read (default 10)")
    ask.add_argument("--prompt-version", metavar="V", help=_PROMPT_VERSION)
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
    trace = add("trace", _trace, show.plain, "Show the whole chain behind one answer.")
    trace.add_argument("trace_id")
    trace.add_argument(
        "--replay", action="store_true", help="ask again as it was asked, and tell what differs"
    )
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
    evaluate = add(
        "evaluate", _evaluate, _show_evaluation, "Score retrieval with golden questions."
    )
    evaluate.add_argument(
        "--questions", type=Path, help="JSONL file (default: the demo's questions)"
    )
    evaluate.add_argument("--index", help="evaluate this index instead of the live one")
    evaluate.add_argument("--mode", choices=("hybrid", "vector", "text"), default="hybrid")
    evaluate.add_argument(
        "--baseline", type=Path, help="JSON of an earlier evaluation to compare with"
    )
    evaluate.add_argument(
        "--against", metavar="INDEX", help="compare with `live` or another index; refuse or pass"
    )
    _add_judging(evaluate)
    evaluate.add_argument("--report", type=Path, help="write an HTML page to this file")
    golden = add("golden", _golden, show.golden, "Make golden questions of titles and headings.")
    golden.add_argument("--out", type=Path, required=True, help="JSONL file to write")
    golden.add_argument("--count", type=int, default=200, help="at most so many (default 200)")
    golden.add_argument("--seed", type=int, default=7, help="another number, other questions")
    compare = add(
        "compare-chunkers",
        _compare_chunkers,
        show.comparison,
        "Compare chunking strategies on the documents and golden questions; publish nothing.",
    )
    compare.add_argument("--questions", type=Path, required=True, help="JSONL file")
    compare.add_argument(
        "--strategy", action="append", choices=STRATEGIES, help="one of them (default: all)"
    )
    compare.add_argument(
        "--tokens",
        type=_token_counts,
        default=(),
        help="chunk sizes, as in 128,256 (default: RAG_CHUNK_TOKENS)",
    )
    compare.add_argument("--mode", choices=("hybrid", "vector", "text"), default="hybrid")
    prompts.add_arguments(
        add("prompts", prompts.run, prompts.shown, "List, show and compare versions of prompts.")
    )
    return parser


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


def _add_approval(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--approve-usd",
        type=_amount,
        metavar="AMOUNT",
        help="spend up to so much on embeddings, although it is more than approval_usd",
    )


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"should be an amount of USD of at least 0, is {text!r}")
    return amount


def _add_spending(add: Callable[..., Any]) -> None:
    costs = add(
        "costs", _costs, _show_costs, "Tell what models cost, by what they were called for."
    )
    costs.add_argument("--days", type=int, default=30, help="so many days, with today (default 30)")
    costs.add_argument("--by", choices=("model", "dag", "task", "day", "document"), default="model")
    reconcile = add(
        "reconcile", _reconcile, _show_costs, "Compare the ledger with a provider's usage export."
    )
    reconcile.add_argument("file", type=Path, help="CSV with date, model, tokens, and more")


def _add_judging(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument(
        "--judge", action="store_true", help="ask the questions, and let a chat model judge (paid)"
    )
    evaluate.add_argument(
        "--prompt-version",
        action="append",
        metavar="V",
        help="judge answers of this version of the prompt; given twice, compare them",
    )
    evaluate.add_argument(
        "--agreement", action="store_true", help="hold the judge against labelled answers (paid)"
    )
    evaluate.add_argument(
        "--most", type=int, default=50, help="judge at most so many questions (default 50)"
    )


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
