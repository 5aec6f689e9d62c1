"""The gate's verdicts on a run, left in the lake: JSON for programs, a page for people."""

from __future__ import annotations

from include.quality.gate import GateReport
from include.storage.artifacts import Artifacts


def write_verdict(report: GateReport, artifacts: Artifacts, name: str) -> str:
    """Great Expectations' record of a report as `<name>.json` and `<name>.html`; the page's URI."""
    from include.quality.record import record

    recorded = record(report)
    artifacts.write_json(name, recorded.verdict)
    return artifacts.write_text(f"{name}.html", recorded.html)


def judge_vectors(report: GateReport, artifacts: Artifacts) -> None:
    """Raises GateError when vectors are unsound, with Great Expectations' record beside the run.

    Sound vectors are recorded without it: its import alone would cost the task 3 CPU seconds.
    """
    if report.refusal:
        write_verdict(report, artifacts, "gate-vectors")
        report.require_passed()
    rules = [rule.expected() for rule in report.checks[0].suite.rules]
    verdict = {"passed": True, "vectors": report.documents, "rules": rules}
    artifacts.write_json("gate-vectors", verdict)
