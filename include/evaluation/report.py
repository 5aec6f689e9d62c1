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
from include.evaluation.questions import Question
from include.evaluation.representing import Traffic, section

_WORST = 15
_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#667080;--page:#fff;--edge:#d9dee6;
--good:#1a7f4b;--bad:#c0362c;--ours:#2f6fd0;--theirs:#a9b4c4}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#98a3b3;--page:#14181e;--edge:#303844;
--good:#4cc38a;--bad:#ff7b70;--ours:#6ea8ff;--theirs:#5b6878}}
*{box-sizing:border-box}body{margin:0 auto;max-width:960px;padding:24px 16px 64px;color:var(--ink);
background:var(--page);font:15px/1.5 system-ui,sans-serif}h1{font-size:1.5rem;margin:0 0 4px;
overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:32px 0 8px}.soft{color:var(--soft)}
.verdict{border-left:6px solid var(--soft);padding:8px 16px;margin:16px 0;border-radius:4px}
.pass{border-color:var(--good)}.refuse,.fail{border-color:var(--bad)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:4px 10px;border-bottom:1px solid var(--edge);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:12em}
svg{width:100%;height:auto;display:block}svg text{font:12px system-ui,sans-serif;fill:var(--ink)}
line,polyline{stroke:var(--soft);stroke-width:1;fill:none}.limit{stroke-dasharray:4 3;stroke:var(--bad)}
line.worse,line.better,line.same{stroke-width:3}line.worse{stroke:var(--bad)}
line.better{stroke:var(--good)}circle.worse{fill:var(--bad)}circle.better{fill:var(--good)}
circle.same{fill:var(--soft)}.ours{fill:var(--ours)}.theirs{fill:var(--theirs)}
.trend{stroke:var(--ours);stroke-width:2}.key{display:inline-block;width:.8em;height:.8em}
""".replace("\n", "")


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
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Evaluation of {escape(candidate.index)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>"
    )


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
    yield _table([*head, "ndcg@10, difference"] if comparison else head, rows)


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
        ["centroid moved by", "not comparable" if centroid is None else f"{centroid:.4f}"],
        ["nearest distances, against live", "not compared" if nearest is None else f"× {nearest:.3f}"],
    ]  # fmt: skip
    yield "<h2>Index and vectors</h2>"
    yield _table(["measured", "value"], rows)


def _options(measured: Sequence[Measured]) -> Iterable[str]:
    if measured:
        yield "<h2>Fewer dimensions, fewer bits</h2>"
        yield '<p class="soft">Each made of cached vectors and searched with these questions; bytes are '
        yield "those of the vectors alone, on disk. Differences are to the first row.</p>"
        yield _table(options.HEAD, options.rows(measured))
        commands = [[each.option.name, each.command] for each in measured if each.command]
        yield "<details><summary>To make one beside the live index: it embeds nothing</summary>"
        yield _table(["option", "command"], commands) + "</details>"


def _trend(history: Sequence[Past]) -> Iterable[str]:
    points = [
        (f"{past.at:%Y-%m-%d %H:%M}", past.metrics["ndcg@10"], past.verdict)
        for past in history
        if "ndcg@10" in past.metrics
    ]
    if points:
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
    yield _table(["question", "id", "ndcg@10", *(["live"] if live else [])], rows)
    # A synthetic question quotes its documents: an erasure finds the page by their addresses.
    wanted = sorted({path for row in rows for path in asked[row[1]].relevant})
    yield f"<details><summary>{len(wanted)} documents that they ask for</summary><ul>"
    yield "".join(f"<li>{escape(path)} </li>" for path in wanted) + "</ul></details>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def row(cells: Sequence[str], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"

    lines = "".join(row(each, "td") for each in rows)
    return f'<div class="scroll"><table>{row(head, "th")}{lines}</table></div>'
