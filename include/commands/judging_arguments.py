"""`evaluate`, `report`, `golden`, `compare-chunkers`: their arguments, and what runs them."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from include.commands import show
from include.commands.adding import Add, Json, add_approval
from include.commands.golden_arguments import add_golden
from include.settings import STRATEGIES
from include.wiring import Platform


def add_commands(add: Add) -> None:
    """Adds these commands to the parser."""
    evaluate = add(
        "evaluate", _evaluate, _show_evaluation, "Score retrieval with golden questions."
    )
    evaluate.add_argument(
        "--questions",
        type=Path,
        help="JSONL file (default: RAG_GOLDEN_QUESTIONS, accepted ones, …)",
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
    evaluate.add_argument(
        "--traffic-days",
        type=int,
        default=30,
        help="compare with real queries of so many days, where they are logged (default 30)",
    )
    evaluate.add_argument(
        "--options",
        nargs="?",
        const="",
        metavar="LIST",
        help="also measure fewer dimensions and bits, as in @256,int8,@256+int8 (default: the usual)",
    )
    report = add("report", _report, _show_report, "Save the page of an evaluation, or of a gate.")
    report.add_argument(
        "name",
        nargs="?",
        default="",
        help="its run, its address, or an index (default: the latest)",
    )
    report.add_argument("--out", type=Path, help="HTML file to write (default: as in the lake)")
    add_golden(add)
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


def _report(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.commands.report import report

    return report(platform, chosen.name, chosen.out), 0


def _show_report(answer: Json) -> str:
    from include.commands.report import shown

    return shown(answer)


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
    add_approval(evaluate)
