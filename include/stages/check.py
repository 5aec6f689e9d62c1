"""Stage 3: the validation gate. Bad documents leave the run; a bad run is stopped."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from include.observability.log import report as log
from include.observability.log import stage
from include.quality.gate import Gate, GateReport
from include.stages.accepted import Accepted, Checked
from include.stages.prepared import Prepared
from include.stages.record import set_aside
from include.stages.rows import REJECTED
from include.stages.verdict import write_verdict
from include.storage.artifacts import Artifacts
from include.storage.tables import Tables

OTHER_FILES = ("unsupported_format", "binary", "not_a_file", "too_large", "vanished", "erased")
"""Reasons that say "no document for us" rather than "a bad document": they never stop a run."""


def check(
    prepared: Prepared, gate: Gate, artifacts: Artifacts, tables: Tables, *, now: datetime
) -> Checked:
    """Judges documents and chunks, and leaves the verdict (JSON) and a page (HTML) in the run.

    Raises GateError, after the report is written, when the run as a whole is refused. What was
    bad is in quarantine then, so that the next run can publish the rest.
    """
    planned = sum(prepared.counts.values()) - _count(prepared, "touched", "rejected")
    rejected = artifacts.read(prepared.rejected)
    if not planned and not rejected.height:
        return Checked(prepared, bad_uri="", report_uri="")
    with stage("check", run=artifacts.run_id, documents=planned) as event:
        documents = artifacts.scan(prepared.documents)
        report = gate.check(
            documents,
            artifacts.scan(prepared.chunks),
            rejected=rejected.filter(~pl.col("reason").is_in(OTHER_FILES)).height,
            planned=planned,
            released=documents.filter("released").select("id").collect()["id"].to_list(),
        )
        page = write_verdict(report, artifacts, "gate")
        for row in report.bad.iter_rows(named=True):
            log("rejected", document=row["id"], reason=row["reason"])
        event |= {"bad": report.bad.height, "report": page}
        bad = artifacts.write("bad", _rejections(report, artifacts.scan(prepared.documents)))
        checked = Checked(prepared, bad_uri=bad, report_uri=page)
        if report.refusal:
            set_aside(Accepted(checked, artifacts).rejected, tables, artifacts.run_id, now)
        report.require_passed()
        return checked


def _rejections(report: GateReport, documents: pl.LazyFrame) -> pl.DataFrame:
    return (
        documents.join(report.bad.lazy(), on="id")
        .with_columns(stage=pl.lit("check"))
        .select(list(REJECTED))
        .collect()
    )


def _count(prepared: Prepared, *classes: str) -> int:
    return sum(prepared.counts.get(name, 0) for name in classes)
