"""The gate: which documents of a run are bad, and whether the run as a whole may go on.

Decisions are made here with Polars, from the same rules that Great Expectations records
(`include.quality.record`): deciding costs milliseconds, recording the import of a heavy library.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from include.embedding.protocol import FloatArray
from include.errors import GateError
from include.quality.suites import (
    Suite,
    chunk_facts,
    chunk_suite,
    document_facts,
    document_suite,
    vector_facts,
    vector_suite,
)

BAD = pl.Schema({"id": pl.String, "reason": pl.String, "detail": pl.String})
"""A bad document, why (a stable code), and one sentence for a person."""


RULES_OF_CONTENT = ("garbage_text",)
"""Reasons that are a matter of opinion; the others would break the index."""


@dataclass(frozen=True, slots=True)
class SuiteCheck:
    """A suite applied to facts: how many rows break each rule, in the order of the rules."""

    suite: Suite
    facts: pl.DataFrame
    broken: tuple[int, ...]

    @property
    def passed(self) -> bool:
        """No rule is broken, and the rows are as many as planned."""
        return not any(self.broken) and self.complaint() == ""

    def complaint(self) -> str:
        """What is wrong with the table as a whole, "" when nothing is."""
        rows, planned = self.facts.height, self.suite.planned
        if planned is not None and rows != planned:
            return f"{rows} {self.suite.name} arrived at the gate, but {planned} were planned"
        return ""

    def bad(self, key: str) -> pl.DataFrame:
        """BAD rows, one per value of the column `key`, with the first rule that it breaks."""
        found = [pl.DataFrame(schema=BAD)]
        for rule, count in zip(self.suite.rules, self.broken, strict=True):
            if not count:
                continue
            place = "" if key == "id" else f"{self.suite.name[:-1]} {{}}: "
            detail = pl.format(
                place + "{} is {}, expected {}",
                *([] if key == "id" else [_shown("id", self.facts.schema)]),
                pl.lit(rule.columns[0]),
                _shown(rule.columns[0], self.facts.schema),
                pl.lit(rule.expected()),
            )
            rows = self.facts.filter(rule.broken())
            found.append(
                rows.select(id=pl.col(key).fill_null(""), reason=pl.lit(rule.reason), detail=detail)
            )
        return pl.concat(found).unique("id", keep="first", maintain_order=True)


@dataclass(frozen=True, slots=True)
class GateReport:
    """What the gate found: bad documents, sorted by id, and why the run is refused ("" = is not).

    `documents` and `bad_documents` count this run's documents, those rejected earlier included.
    """

    checks: tuple[SuiteCheck, ...]
    bad: pl.DataFrame
    documents: int
    bad_documents: int
    refusal: str

    def require_passed(self) -> None:
        """Raises GateError when the run is refused: nothing of it may be published."""
        if self.refusal:
            raise GateError(self.refusal)


@dataclass(frozen=True, slots=True)
class Gate:
    """The thresholds of the gate.

    A run is refused when more than `max_bad_fraction` of its documents are bad, but never because
    of fewer than `min_bad_documents`: two of three are no pattern.
    """

    max_tokens: int
    max_bad_fraction: float = 0.2
    min_bad_documents: int = 10
    max_garbage: float = 0.1

    def check(
        self,
        documents: pl.LazyFrame,
        chunks: pl.LazyFrame,
        *,
        rejected: int = 0,
        planned: int | None = None,
        released: Collection[str] = (),
    ) -> GateReport:
        """Judges a run from its documents (`id, uri, text, chunks`) and its chunks.

        Chunks need `id, document_id, start, end, tokens, text`. `rejected` documents failed
        before and count as bad. `planned` is how many documents should have arrived. A document
        is bad when it, or any of its chunks, breaks a rule; its reason is the first one broken.
        `released` are ids that a person let in: the rules of content do not hold for them.
        """
        of_chunks = apply(
            chunk_suite(max_tokens=self.max_tokens, planned=None), chunk_facts(chunks, documents)
        )
        suite = document_suite(max_garbage=self.max_garbage, planned=planned)
        of_documents = apply(suite, document_facts(documents, of_chunks.facts))
        bad = pl.concat([of_documents.bad("id"), of_chunks.bad("document_id")])
        waived = pl.col("id").is_in(list(released)) & pl.col("reason").is_in(RULES_OF_CONTENT)
        bad = bad.filter(~waived).unique("id", keep="first", maintain_order=True).sort("id")
        total, bad_total = of_documents.facts.height + rejected, bad.height + rejected
        return GateReport(
            checks=(of_documents, of_chunks),
            bad=bad,
            documents=total,
            bad_documents=bad_total,
            refusal=of_documents.complaint() or self.refusal(total, bad_total),
        )

    def refusal(self, documents: int, bad: int) -> str:
        """Why a run with so many bad documents is refused, "" when it is not."""
        if bad < self.min_bad_documents or bad <= self.max_bad_fraction * documents:
            return ""
        return (
            f"{bad} of {documents} documents are bad, more than the {self.max_bad_fraction:.0%} "
            f"that RAG_MAX_BAD_FRACTION allows: nothing was published, and they are in quarantine. "
            f"See what is wrong with them (`python -m include quarantine list`); the next run "
            f"publishes the rest."
        )


def apply(suite: Suite, facts: pl.DataFrame) -> SuiteCheck:
    """Counts the rows that break each rule. Raises GateError when a column is missing."""
    missing = [name for name in suite.columns if name not in facts.columns]
    if missing:
        raise GateError(
            f"The {suite.name} to be checked lack the column {missing[0]!r}; "
            f"they have {', '.join(facts.columns)}."
        )
    counts = facts.select(
        rule.broken().sum().cast(pl.Int64).alias(str(number))
        for number, rule in enumerate(suite.rules)
    )
    return SuiteCheck(suite, facts, counts.row(0))


def check_vectors(
    ids: Sequence[str], vectors: FloatArray, dimensions: int, *, planned: int | None = None
) -> SuiteCheck:
    """Judges vectors of shape (len(ids), dimensions): size, finiteness, norm 1, unique ids."""
    suite = vector_suite(dimensions=dimensions, planned=planned)
    return apply(suite, vector_facts(ids, vectors))


def vector_report(ids: Sequence[str], vectors: FloatArray, dimensions: int) -> GateReport:
    """The verdict on vectors about to be published: refused, naming the first, if any is unsound."""
    check = check_vectors(ids, vectors, dimensions, planned=len(ids))
    bad, refusal = check.bad("id"), ""
    if not check.passed:
        first = bad.row(0, named=True)
        refusal = (
            f"{bad.height} of {len(ids)} vectors cannot be published; the first, of "
            f"{first['id']!r}: {first['detail']}. Embed them again with a sound model."
        )
    return GateReport((check,), bad, len(ids), bad.height, refusal)


def _shown(column: str, schema: pl.Schema) -> pl.Expr:
    value = pl.col(column)
    short = value.round_sig_figs(4) if schema[column].is_float() else value
    return short.cast(pl.String).fill_null("missing")
