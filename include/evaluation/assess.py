"""A whole evaluation: answers, index and vectors of one index, beside those of another if given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from include.errors import ConfigurationError
from include.evaluation.comparing import Comparison, compare
from include.evaluation.gate import Rule, Soundness, reasons
from include.evaluation.questions import Question
from include.evaluation.run import Evaluation, evaluate
from include.evaluation.soundness import Subject, as_json, measure
from include.evaluation.timing import Latency, latency
from include.retrieval.search import Mode, Searcher
from include.storage.tables import Tables

_TIMED = 50


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked, how, and what the answers have to keep to.

    `baseline` holds the metrics of an earlier evaluation, for an index that stands alone.
    """

    questions: Sequence[Question]
    mode: Mode = "hybrid"
    baseline: Mapping[str, float] | None = None
    rule: Rule = field(default_factory=Rule)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was found. `live` and `comparison` are None for an index that stands alone.

    `verdict` is `pass` or `refuse` beside another index, else that of the evaluation; `reasons` say
    why an index is refused, or would be.
    """

    candidate: Evaluation
    live: Evaluation | None
    comparison: Comparison | None
    soundness: Soundness
    latency: Latency
    reasons: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`pass` or `refuse`; without another index `pass`, `fail` or `no baseline`."""
        if self.comparison is None:
            return self.candidate.verdict
        return "refuse" if self.reasons else "pass"

    def as_json(self) -> dict[str, object]:
        """The assessment as JSON values; the other index's metrics are its `baseline`."""
        baseline = self.live.metrics if self.live else self.candidate.baseline
        return {
            **self.candidate.as_json(),
            "against": self.live.index if self.live else None,
            "baseline": None if baseline is None else dict(baseline),
            "differences": self.comparison.as_json() if self.comparison else None,
            "measured": {**as_json(self.soundness), "latency": self.latency.as_json()},
            "verdict": self.verdict,
            "reasons": list(self.reasons),
        }


def assess(
    tables: Tables, ours: Searcher, terms: Terms, *, theirs: Searcher | None = None
) -> Assessment:
    """Asks both indexes the same questions, and looks at what `ours` is made of.

    Raises ConfigurationError when both are the same index.
    """
    if theirs is not None and theirs.index == ours.index:
        raise ConfigurationError(
            f"An index is compared with another one; {ours.index!r} was named twice. Name the "
            f"candidate with --index."
        )
    texts = [each.question for each in terms.questions]
    candidate = evaluate(terms.questions, ours, mode=terms.mode, baseline=terms.baseline)
    live = evaluate(terms.questions, theirs, mode=terms.mode) if theirs else None
    subject = Subject(ours.index, ours.embedder)
    if theirs:
        same = ours.embedder.identity.id == theirs.embedder.identity.id
        subject = Subject(ours.index, ours.embedder, theirs.index, same_model=same)
    comparison = compare(candidate, live) if live else None
    found = measure(tables, ours.store, subject, texts)
    return Assessment(
        candidate,
        live,
        comparison,
        soundness=found,
        latency=latency(ours, texts[:_TIMED], terms.mode),
        reasons=tuple(reasons(comparison, found, terms.rule)),
    )
