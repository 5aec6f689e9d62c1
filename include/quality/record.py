"""The record of a gate: Great Expectations runs the suites and renders its Data Docs.

The only module that imports Great Expectations, inside functions: some 3 CPU seconds, once per
process. Suites of 20,000 rows take 0.3 CPU seconds on top. Nothing is written, nothing is sent:
the context lives in memory, and what it makes is returned as values.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from include.errors import GateError
from include.quality.docs import page, summary
from include.quality.gate import GateReport, SuiteCheck
from include.quality.suites import Suite

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GateRecord:
    """The verdict as JSON values, and as a Data Docs page that opens without a network."""

    verdict: Json
    html: str


def record(report: GateReport, extra: Sequence[SuiteCheck] = ()) -> GateRecord:
    """Runs the suites of a report (and others, such as the vectors') and writes them up.

    Bad rows are recorded as failed expectations of severity `warning`, a wrong table as
    `critical`. A suite without faults is one table on the page; rendering all of it would cost a
    small run a fifth of its time. Raises GateError when Great Expectations counts other bad rows than the gate did:
    one of the two is wrong, so neither is believed.
    """
    checks = (*report.checks, *extra)
    results = record_suites(checks)
    verdict = {
        "passed": not report.refusal,
        "refusal": report.refusal,
        "documents": report.documents,
        "bad_documents": report.bad_documents,
        "reasons": dict(sorted(report.bad["reason"].value_counts().iter_rows())),
        "suites": [result.to_json_dict() for result in results],
    }
    rendered = {
        check.suite.name: summary(check) if result.success else _rendered(result)
        for check, result in zip(checks, results, strict=True)
    }
    return GateRecord(verdict, page(report, rendered))


def record_suites(checks: Sequence[SuiteCheck]) -> list[Any]:
    """One `ExpectationSuiteValidationResult` per check, compared with the gate's own counts."""
    context = _context()
    results = []
    for check in checks:
        result = _validate(context, check)
        _compare(check, result)
        results.append(result)
    return results


def _context() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import warns of what it imports itself
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _validate(context: Any, check: SuiteCheck) -> Any:
    import great_expectations as gx

    suite, name = check.suite, check.suite.name
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    validation = gx.ValidationDefinition(
        name=name,
        data=asset.add_batch_definition_whole_dataframe(name),
        suite=context.suites.add(gx.ExpectationSuite(name, expectations=_expectations(suite))),
    )
    frame = check.facts.select(suite.columns).to_pandas()
    return context.validation_definitions.add(validation).run(
        batch_parameters={"dataframe": frame}, result_format="BASIC"
    )


def _expectations(suite: Suite) -> list[Any]:
    from great_expectations import expectations

    rows = [
        getattr(expectations, name)(
            **arguments, severity="warning", meta={"reason": rule.reason, "rule": number}
        )
        for number, rule in enumerate(suite.rules)
        for name, arguments in [rule.expectation()]
    ]
    table = [expectations.ExpectTableColumnsToMatchSet(column_set=suite.columns)]
    if suite.planned is not None:
        table.append(expectations.ExpectTableRowCountToEqual(value=suite.planned))
    return [*table, *rows]


def _compare(check: SuiteCheck, result: Any) -> None:
    for outcome in result.results:
        meta = outcome.expectation_config.meta or {}
        if "rule" not in meta:
            continue
        counted, ours = outcome.result.get("unexpected_count"), check.broken[meta["rule"]]
        if counted != ours:
            raise GateError(
                f"Great Expectations counts {counted!r} {check.suite.name} with the fault "
                f"{meta['reason']!r} in {outcome.expectation_config.kwargs!r}, the gate {ours}: the "
                f"rule means two things ({outcome.exception_info!r}). Nothing was published."
            )


def _rendered(result: Any) -> str:
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    return str(DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result)))
