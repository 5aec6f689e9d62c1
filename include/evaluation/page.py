"""What the pages of evaluations have in common: one HTML file, no network, no script. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from html import escape

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
h3{font-size:1rem;margin:24px 0 4px}.beside{display:flex;flex-wrap:wrap;gap:8px 24px}
.beside>div{flex:1 1 18em;min-width:0}.beside p{margin:0}
blockquote{margin:4px 0;padding:8px 12px;border-left:3px solid var(--edge);white-space:pre-wrap;
overflow-wrap:anywhere}
""".replace("\n", "")


def command(run_id: str) -> str:
    """What a person enters to get a run's page out of the lake: browsers open no lake's address."""
    return f"python -m include report {shlex.quote(run_id)}"


def document(title: str, body: Iterable[str]) -> str:
    """The page around its parts, which are HTML already."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts, which are escaped."""

    def row(cells: Sequence[str], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"

    lines = "".join(row(each, "td") for each in rows)
    return f'<div class="scroll"><table>{row(head, "th")}{lines}</table></div>'


def addresses(what: str, uris: Sequence[str]) -> str:
    """The documents that a page quotes, folded up: an erasure finds the page by them."""
    listed = "".join(f"<li>{escape(uri)} </li>" for uri in uris)
    return f"<details><summary>{len(uris)} {escape(what)}</summary><ul>{listed}</ul></details>"
