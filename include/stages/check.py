"""Stage 3: the validation gate. Bad documents leave the run; a bad run is stopped."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from include.observability.log import report as log
from include.observability.log import stage
from include.quality.gate import Gate, GateReport
from include.stages.prepare import Prepared
from include.stages.rows import REJECTED
from include.stages.verdict import write_verdict
from include.storage.artifacts import Artifacts

OTHER_FILES = ("unsupported_format", "binary", "not_a_file", "too_large", "vanished")
"""Reasons that say "no document for us" rather than "a bad document": they never stop a run."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A run that passed: its rows, the documents that the gate took out, and the gate's report.

    `bad_uri` and `report_uri` are "" when there was nothing to check.
    """

    prepared: Prepared
    bad_uri: str
    report_uri: str


def check(prepared: Prepared, gate: Gate, artifacts: Artifacts) -> Checked:
    """Judges documents and chunks, and leaves the verdict (JSON) and a page (HTML) in the run.

    Raises GateError, after the report is written, when the run as a whole is refused.
    """
    planned = sum(prepared.counts.values()) - _count(prepared, "touched", "rejected")
    rejected = artifacts.read(prepared.rejected)
    if not planned and not rejected.height:
        return Checked(prepared, bad_uri="", report_uri="")
    with stage("check", run=artifacts.run_id, documents=planned) as event:
        report = gate.check(
            artifacts.scan(prepared.documents),
            artifacts.scan(prepared.chunks),
            rejected=rejected.filter(~pl.col("reason").is_in(OTHER_FILES)).height,
            planned=planned,
        )
        page = write_verdict(report, artifacts, "gate")
        for row in report.bad.iter_rows(named=True):
            log("rejected", document=row["id"], reason=row["reason"])
        event |= {"bad": report.bad.height, "report": page}
        report.require_passed()
        bad = artifacts.write("bad", _rejections(report, artifacts.scan(prepared.documents)))
        return Checked(prepared, bad_uri=bad, report_uri=page)


def _rejections(report: GateReport, documents: pl.LazyFrame) -> pl.DataFrame:
    return (
        documents.join(report.bad.lazy(), on="id")
        .with_columns(stage=pl.lit("check"))
        .select(list(REJECTED))
        .collect()
    )


def _count(prepared: Prepared, *classes: str) -> int:
    return sum(prepared.counts.get(name, 0) for name in classes)
