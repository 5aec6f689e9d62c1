"""Versions of the prompt `answer`, judged on the same questions: one, or two side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from include.answering.asking import PROMPT, Asking, answerer, ask
from include.answering.grading import METRICS, Judge, require_judge
from include.embedding.last_query import LastQuery
from include.evaluation.bootstrap import paired_bootstrap
from include.evaluation.prompt_page import Found, page
from include.prompts.entries import PRODUCTION
from include.retrieval.context import pack
from include.retrieval.generative import passages_of
from include.storage.lake import path_name
from include.wiring import Platform

Json = dict[str, Any]
Graded = Mapping[str, Any]
Advance = Callable[[int], None]


def grade(
    platform: Platform,
    questions: Sequence[str],
    versions: Sequence[str | None],
    *,
    k: int = 10,
    on_progress: Advance = lambda _: None,
) -> Json:
    """Asks every question with each version of the prompt and judges the answers.

    With two versions, `differences` are second minus first, each with its 95 % interval, over the
    questions that were judged for both. `asked` has each question with its answers and their
    scores. Raises ConfigurationError for a version that there is not, before anything is paid.
    """
    judge = require_judge(platform)
    askings = [Asking(k, prompt=version, rescued=(), fresh=True) for version in versions]
    for asking in askings:
        platform.prompts.find(PROMPT, asking.prompt)
    graded = [list(_graded(judge, questions, asking, on_progress)) for asking in askings]
    return {
        "judged": [_row(*each) for each in zip(versions, graded, strict=True)],
        "questions": len(questions),
        "differences": _differences(*graded) if len(graded) == 2 else None,
        "judge": judge.chat.name,
        "unusable": judge.unusable,
        "judge_usd": f"{judge.cost_usd:f}",
        "asked": [
            {"question": question, "answers": list(each)}
            for question, *each in zip(questions, *graded, strict=True)
        ],
    }


def keep_page(platform: Platform, found: Mapping[str, Any], run_id: str) -> tuple[str, str]:
    """Leaves the comparison as a page in the lake; its address and its text."""
    html = page(Found(PROMPT, found, METRICS, run_id=run_id, at=datetime.now(UTC)))
    path = f"evaluations/{path_name(run_id)}.html"
    platform.lake.objects.write(path, html.encode())
    return platform.lake.files.uri(path), html


def _graded(
    judge: Judge, questions: Sequence[str], asking: Asking, advance: Advance
) -> Iterator[Json]:
    who = answerer(judge.platform, asking)
    # The passages are searched for once more: the question is embedded, and paid for, once.
    searcher = replace(who.searcher, embedder=LastQuery(who.searcher.embedder))
    who = replace(who, searcher=searcher)
    for question in questions:
        answer = ask(judge.platform, who, question, asking).answer
        hits = who.searcher.search(question, asking.k)
        passages = passages_of(pack(hits, budget=who.budget, section_text=who.section_text))
        scores = {
            metric: judge.score(metric, question, answer.answer, passages) for metric in METRICS
        }
        advance(1)
        yield {
            "answer": answer.answer,
            "version": str((answer.prompt or {}).get("version", "")),
            "uris": sorted({hit.uri for hit in hits}),
            "tokens": {name: answer.usage.get(name, 0) for name in ("input_tokens", "output_tokens")},
            "cost_usd": f"{answer.cost_usd:f}",
            "trace_id": answer.trace_id,
            **scores,
        }  # fmt: skip


def _row(version: str | None, graded: Sequence[Graded]) -> Json:
    """One version over all questions. `versions` is more than one where traffic is split."""
    cost = sum((Decimal(each["cost_usd"]) for each in graded), Decimal(0))
    tokens = {name: sum(each["tokens"][name] for each in graded) for name in graded[0]["tokens"]}
    return {
        "prompt_version": version or PRODUCTION,
        "versions": sorted({each["version"] for each in graded} - {""}),
        "answers_usd": f"{cost:f}",
        **tokens,
        **_means(graded),
    }


def _means(graded: Sequence[Graded]) -> Json:
    held = {metric: [s for row in graded if (s := row[metric]) is not None] for metric in METRICS}
    return {name: round(sum(each) / len(each), 4) if each else None for name, each in held.items()}


def _differences(first: Sequence[Graded], second: Sequence[Graded]) -> Json:
    found: Json = {}
    for metric in METRICS:
        pairs = [
            (two, one)
            for before, after in zip(first, second, strict=True)
            if (one := before[metric]) is not None and (two := after[metric]) is not None
        ]
        if pairs:
            ours, theirs = zip(*pairs, strict=True)
            found[metric] = {"questions": len(pairs), **paired_bootstrap(ours, theirs).as_json()}
    return found
