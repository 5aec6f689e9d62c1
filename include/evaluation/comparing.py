"""Two evaluations on the same questions: what differs, beyond chance, in all and by tag. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from include.errors import ConfigurationError
from include.evaluation.bootstrap import Interval, intervals
from include.evaluation.metrics import METRICS
from include.evaluation.run import Evaluation, QuestionResult

Differences = Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class TagDifferences:
    """The differences over the questions with one tag, and how many these are."""

    questions: int
    metrics: Differences


@dataclass(frozen=True, slots=True)
class Comparison:
    """Mean differences, candidate minus live: above 0 the candidate is better."""

    candidate: str
    live: str
    questions: int
    metrics: Differences
    by_tag: Mapping[str, TagDifferences]

    def as_json(self) -> dict[str, object]:
        """The comparison as JSON values."""
        return {
            "candidate": self.candidate,
            "live": self.live,
            "questions": self.questions,
            "metrics": _as_json(self.metrics),
            "by_tag": {
                tag: {"questions": each.questions, "metrics": _as_json(each.metrics)}
                for tag, each in self.by_tag.items()
            },
        }


def compare(candidate: Evaluation, live: Evaluation) -> Comparison:
    """The differences of two evaluations with the same questions in the same order, same mode.

    Raises ConfigurationError when they are not.
    """
    ours, theirs = candidate.questions, live.questions
    if [each.id for each in ours] != [each.id for each in theirs] or candidate.mode != live.mode:
        raise ConfigurationError(
            f"Two evaluations can be compared when they asked the same questions in the same mode; "
            f"{candidate.index!r} was asked {len(ours)} in mode {candidate.mode}, {live.index!r} "
            f"{len(theirs)} in mode {live.mode}."
        )
    by_tag = {}
    for tag in candidate.by_tag:
        places = [at for at, each in enumerate(ours) if tag in each.tags]
        found = _differences([ours[at] for at in places], [theirs[at] for at in places])
        by_tag[tag] = TagDifferences(len(places), found)
    return Comparison(
        candidate.index, live.index, len(ours), metrics=_differences(ours, theirs), by_tag=by_tag
    )


def _differences(ours: Sequence[QuestionResult], theirs: Sequence[QuestionResult]) -> Differences:
    both = (
        np.array([[each.metrics[name] for name in METRICS] for each in side])
        for side in (ours, theirs)
    )
    return dict(zip(METRICS, intervals(next(both) - next(both)), strict=True))


def _as_json(differences: Differences) -> dict[str, dict[str, float]]:
    return {name: interval.as_json() for name, interval in differences.items()}
