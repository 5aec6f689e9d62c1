"""An evaluation as one HTML page that needs nothing else: no network, no script. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from include.evaluation import charts, options
from include.evaluation.assess import Assessment, Terms
from include.evaluation.gate import Rule
from include.evaluation.history import Past
from include.evaluation.options import Measured
from include.evaluation.page import addresses, document, table
from include.evaluation.questions import Question
from include.evaluation.representing import Traffic, section

_WORST = 15


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a page shows; `run_id` and `at` say when it was found.

    `traffic` are the real queries beside it, where there is a log of them; `options` are those of
    dimensions and forms that were tried, if any.
    """

    assessment: Assessment
    terms: Terms
    history: Sequence[Past]
    run_id: str
    at: datetime
    traffic: Traffic | None = None
    options: Sequence[Measured] = ()


def page(found: Findings) -> str:
    """The page. Whatever comes from questions or names is escaped."""
    assessed, terms = found.assessment, found.terms
    candidate, live, verdict = assessed.candidate, assessed.live, assessed.verdict
    reasons = "".join(f"<li>{escape(each)}</li>" for each in assessed.reasons)
    body = [
        f"<h1>{escape(candidate.index)}{f' against {escape(live.index)}' if live else ''}</h1>",
        f'<p class="soft">{len(terms.questions)} questions, mode {escape(terms.mode)}, run '
        f"{escape(found.run_id)}, {found.at:%Y-%m-%d %H:%M} UTC</p>",
        f'<div class="verdict {escape(verdict.split()[0])}"><strong>Verdict: {escape(verdict)}'
        f"</strong>{f'<ul>{reasons}</ul>' if reasons else ''}</div>",
        *_metrics(assessed, terms.rule),
        *_tags(assessed),
        *_measured(assessed),
        *_options(found.options),
        *(section(found.traffic) if found.traffic else ()),
        *_trend(found.history),
        *_worst(assessed, {each.id: each for each in terms.questions}),
    ]
    return document(f"Evaluation of {candidate.index}", body)


def _metrics(assessed: Assessment, rule: Rule) -> Iterable[str]:
    candidate, live = assessed.candidate, assessed.live
    yield "<h2>Metrics</h2>"
    if live:
        yield '<p class="soft"><span class="key" style="background:var(--ours)"></span> '
        yield f'{escape(candidate.index)} <span class="key" style="background:var(--theirs)">'
        yield f"</span> {escape(live.index)}</p>"
    known = live.metrics if live else {}
    yield charts.bars({name: (ours, known.get(name)) for name, ours in candidate.metrics.items()})
    if assessed.comparison:
        yield "<h2>Differences, with 95 % confidence intervals</h2>"
        yield charts.ranges(assessed.comparison.metrics, rule.margin)


def _tags(assessed: Assessment) -> Iterable[str]:
    candidate, comparison = assessed.candidate, assessed.comparison
    if not candidate.by_tag:
        return
    yield "<h2>By tag</h2>"
    names = ("ndcg@10", "recall@10", "mrr@10")
    rows = []
    for tag, metrics in candidate.by_tag.items():
        count = sum(tag in each.tags for each in candidate.questions)
        row = [tag, str(count), *(f"{metrics[name]:.4f}" for name in names)]
        if comparison:
            each = comparison.by_tag[tag].metrics["ndcg@10"]
            row.append(f"{each.mean:+.4f} [{each.low:+.4f}, {each.high:+.4f}]")
        rows.append(row)
    head = ["tag", "questions", *names]
    yield table([*head, "ndcg@10, difference"] if comparison else head, rows)


def _measured(assessed: Assessment) -> Iterable[str]:
    found, latency = assessed.soundness, assessed.latency
    health, centroid, nearest = found.health, found.drift.centroid, found.drift.nearest
    rows = [
        ["documents covered", f"{found.coverage:.2%} of {found.documents}"],
        ["index recall against exact search", f"{found.index_recall:.4f}"],
        ["search latency p50 / p95 / p99", f"{latency.p50_ms:.1f} / {latency.p95_ms:.1f} / {latency.p99_ms:.1f} ms"],
        ["vectors sampled", str(health.vectors)],
        ["vector lengths", f"{health.norm_low:.4f} to {health.norm_high:.4f}, {health.off_norm} off"],
        ["texts that share a vector", f"{health.duplicates:.2%}"],
        ["mean distance of two vectors", f"{health.spread:.4f}"],
        ["distance to the nearest (quartiles)", " / ".join(f"{each:.4f}" for each in health.nearest)],
    ]  # fmt: skip
    if assessed.live:
        moved = "not comparable" if centroid is None else f"{centroid:.4f}"
        stretched = "not compared" if nearest is None else f"× {nearest:.3f}"
        rows += [["centroid moved by", moved], ["nearest distances, against live", stretched]]
    yield "<h2>Index and vectors</h2>"
    yield table(["measured", "value"], rows)


def _options(measured: Sequence[Measured]) -> Iterable[str]:
    if measured:
        yield "<h2>Fewer dimensions, fewer bits</h2>"
        yield '<p class="soft">Each made of cached vectors and searched with these questions; bytes are '
        yield "those of the vectors alone, on disk. Differences are to the first row.</p>"
        yield table(options.HEAD, options.rows(measured))
        commands = [[each.option.name, each.command] for each in measured if each.command]
        yield "<details><summary>To make one beside the live index: it embeds nothing</summary>"
        yield table(["option", "command"], commands) + "</details>"


def _trend(history: Sequence[Past]) -> Iterable[str]:
    points = [
        (f"{past.at:%Y-%m-%d %H:%M}", past.metrics["ndcg@10"], past.verdict)
        for past in history
        if "ndcg@10" in past.metrics
    ]
    if len(points) > 1:  # one point is no trend
        yield "<h2>nDCG@10 of earlier evaluations with these questions</h2>"
        yield charts.line(points, "nDCG@10")


def _worst(assessed: Assessment, asked: Mapping[str, Question]) -> Iterable[str]:
    theirs = assessed.live.questions if assessed.live else ()
    live = {each.id: each.metrics["ndcg@10"] for each in theirs}
    rows = []
    for each in assessed.candidate.worst(_WORST):
        row = [asked[each.id].question, each.id, f"{each.metrics['ndcg@10']:.4f}"]
        rows.append([*row, f"{live[each.id]:.4f}"] if live else row)
    yield f"<h2>The {len(rows)} questions that went worst</h2>"
    yield table(["question", "id", "ndcg@10", *(["live"] if live else [])], rows)
    # A synthetic question quotes its documents: an erasure finds the page by their addresses.
    wanted = sorted({path for row in rows for path in asked[row[1]].relevant})
    yield addresses("documents that they ask for", wanted)
