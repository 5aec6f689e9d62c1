"""Judged answers of one or two versions of a prompt as one HTML page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from include.evaluation import charts
from include.evaluation.bootstrap import Interval
from include.evaluation.page import addresses, document, table

Json = Mapping[str, Any]
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Found:
    """What a page shows: the judged versions of a prompt, by these metrics; when it was found."""

    prompt: str
    judged: Json
    metrics: Sequence[str]
    run_id: str
    at: datetime


def page(found: Found) -> str:
    """The page. Whatever comes from questions, answers or names is escaped."""
    names = [name_of(row) for row in found.judged["judged"]]
    title = f"Prompt {found.prompt}: {' and '.join(names)}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{found.judged["questions"]} questions, judged by '
        f"{escape(found.judged['judge'])}, run {escape(found.run_id)}, "
        f"{found.at:%Y-%m-%d %H:%M} UTC</p>",
        f'<div class="verdict"><strong>{escape(summary(found.judged, found.metrics))}</strong></div>',
        *_scores(found, names),
        *_costs(found.judged, names),
        *_questions(found, names),
    ]
    return document(title, body)


def name_of(row: Json) -> str:
    """A version as it was asked for, and the versions behind it where that was a label."""
    behind = ", ".join(row["versions"])
    asked: str = row["prompt_version"]
    return asked if behind in ("", asked) else f"{asked} ({behind})"


def summary(judged: Json, metrics: Sequence[str]) -> str:
    """What can be said beyond chance about the second version, in one sentence."""
    differences = judged["differences"]
    if differences is None:
        return "One version alone: there is nothing to hold it against."
    if not differences:
        return "No question was judged for both versions."
    name = name_of(judged["judged"][1])
    better = [each for each in metrics if each in differences and differences[each]["low"] > 0]
    worse = [each for each in metrics if each in differences and differences[each]["high"] < 0]
    if not better and not worse:
        return f"No difference beyond chance over {judged['questions']} questions."
    told = [f"better in {_listed(better)}"] * bool(better) + [f"worse in {_listed(worse)}"] * bool(
        worse
    )
    return f"{name} is {', and '.join(told)}, beyond chance."


def _scores(found: Found, names: Sequence[str]) -> Iterable[str]:
    rows, differences = found.judged["judged"], found.judged["differences"] or {}
    head = ["metric, 0 to 1", *names, *(["second − first [95 %]"] if differences else [])]
    lines = []
    for metric in found.metrics:
        line = [metric, *(_number(row[metric]) for row in rows)]
        if differences:
            line.append(_difference(differences.get(metric)))
        lines.append(line)
    yield "<h2>Scores</h2>"
    yield table(head, lines)
    if differences:
        yield "<h2>Differences, with 95 % confidence intervals</h2>"
        yield charts.ranges(
            {
                name: Interval(each["mean"], each["low"], each["high"])
                for name, each in differences.items()
            }
        )
    if unusable := sum(found.judged["unusable"].values()):
        yield f'<p class="soft">{unusable} verdicts could not be used and count nowhere.</p>'


def _costs(judged: Json, names: Sequence[str]) -> Iterable[str]:
    rows = [
        [name, f"{row['input_tokens']:,}", f"{row['output_tokens']:,}", f"${row['answers_usd']}"]
        for name, row in zip(names, judged["judged"], strict=True)
    ]
    yield "<h2>What the answers took</h2>"
    yield table(["version", "tokens read", "tokens written", "paid now"], rows)
    yield '<p class="soft">Answers from the cache of identical requests cost nothing again. '
    yield f"The judge cost ${escape(judged['judge_usd'])}.</p>"


def _questions(found: Found, names: Sequence[str]) -> Iterable[str]:
    """Where the versions differ most; alone, where the answers are judged worst."""
    asked = sorted(found.judged["asked"], key=lambda each: _rank(each, found.metrics))[:_SHOWN]
    what = "that differ most" if len(names) == 2 else "that went worst"
    yield f"<h2>The {len(asked)} questions {what}</h2>"
    for each in asked:
        yield f"<h3>{escape(each['question'])}</h3>"
        yield '<div class="beside">'
        for name, answer in zip(names, each["answers"], strict=True):
            scores = ", ".join(f"{m} {_number(answer[m])}" for m in found.metrics)
            yield f'<div><p class="soft">{escape(name)}: {escape(scores)}</p>'
            yield f"<blockquote>{escape(answer['answer'])}</blockquote></div>"
        yield "</div>"
    uris = sorted({uri for each in asked for answer in each["answers"] for uri in answer["uris"]})
    yield addresses("documents that the answers were written from", uris)


def _rank(asked: Json, metrics: Sequence[str]) -> float:
    totals = [sum(each[metric] or 0 for metric in metrics) for each in asked["answers"]]
    return float(-abs(totals[1] - totals[0]) if len(totals) == 2 else totals[0])


def _difference(between: Json | None) -> str:
    if between is None:
        return "none"
    return f"{between['mean']:+.4f} [{between['low']:+.4f}, {between['high']:+.4f}]"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
