"""Data Docs: the pages of Great Expectations as one file that opens without a network.

Its style sheets, scripts and pictures lie on public servers. They are left out, together with the
buttons that need them, and a small style sheet of our own is put in. A suite without faults is summed
up in one table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from include.quality.gate import GateReport, SuiteCheck

MOST_BAD_SHOWN = 200

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; margin: 0 auto; max-width: 70rem;
  padding: 1.5rem }
h1 { font-size: 1.5rem } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5dae0 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem }
th, td { border: 1px solid #d5dae0; padding: .3rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: break-word }
th { background: #f3f5f7 } .alert { background: #f3f5f7; padding: .4rem .8rem; margin: .8rem 0 }
.ge-section { margin-top: 1rem } .h6 { font-weight: 600 } h5, h6 { font-size: 1rem; margin: .3rem 0 }
.collapse table { font-size: .85rem } .badge { font-weight: 600 }
.text-success::before { content: "\\2713"; color: #1a7f37; font-style: normal }
.text-danger::before { content: "\\2717"; color: #b42318; font-style: normal }
.text-warning::before { content: "!"; color: #9a6700; font-style: normal }
.verdict { padding: .6rem 1rem; border-left: .4rem solid #1a7f37; background: #f3f5f7 }
.refused { border-color: #b42318 }
@media (prefers-color-scheme: dark) {
  body { background: #14171a; color: #e6e9ec } th, .alert, .verdict { background: #20252a }
  th, td, h2 { border-color: #3a4149 } a { color: #7ab7ff } }
"""


def page(report: GateReport, rendered: Mapping[str, str]) -> str:
    """One HTML document: the verdict, the bad documents, then each suite by name as rendered."""
    parts = [_verdict(report), _bad_documents(report)]
    parts += [
        f"<h2>Suite: {escape(name)}</h2>\n{_content(html)}" for name, html in rendered.items()
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>Validation gate</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def summary(check: SuiteCheck) -> str:
    """A suite that every row passed, as one table: each rule and the rows it was tried on."""
    rows = "\n".join(
        f"<tr><td>{escape(', '.join(rule.columns))}</td><td>{escape(rule.expected())}</td>"
        f"<td>{check.facts.height} of {check.facts.height}</td></tr>"
        for rule in check.suite.rules
    )
    return (
        f'<div id="section-1"><table><tr><th>column</th><th>expected</th><th>rows as expected</th>'
        f"</tr>\n{rows}\n</table></div>"
    )


def _verdict(report: GateReport) -> str:
    css, word = ("verdict refused", "Refused") if report.refusal else ("verdict", "Passed")
    detail = report.refusal or "Bad documents were set aside; the others go on."
    return (
        f'<h1>Validation gate</h1>\n<p class="{css}"><strong>{word}.</strong> '
        f"{report.bad_documents} of {report.documents} documents are bad. "
        f"{escape(detail) if report.bad_documents or report.refusal else ''}</p>"
    )


def _bad_documents(report: GateReport) -> str:
    if report.bad.is_empty():
        return ""
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>"
        for row in report.bad.head(MOST_BAD_SHOWN).iter_rows()
    )
    more = report.bad.height - MOST_BAD_SHOWN
    return (
        "<h2>Bad documents</h2>\n<table><tr><th>document</th><th>reason</th><th>detail</th></tr>\n"
        f"{rows}\n</table>" + (f"\n<p>… and {more} more.</p>" if more > 0 else "")
    )


def _content(html: str) -> str:
    """The sections of a rendered page, without navigation, scripts and links to other pages."""
    start = html.find('id="section-1"')
    body = html[html.rfind("<div", 0, start) if start >= 0 else 0 :]
    end = body.find("<footer")
    body = body[: end if end >= 0 else body.rfind("</body>")]
    for pattern in (r"<script\b.*?</script>", r"<(?:img|link)\b[^>]*>", r"</?a\b[^>]*>"):
        body = re.sub(pattern, "", body, flags=re.DOTALL)
    return body.replace("Show more info...", "")
