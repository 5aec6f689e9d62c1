"""Whether an index may take the place of the live one: the rule, and the reasons against. Pure.

The rule is written down for people in docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from include.evaluation.comparing import Comparison
from include.evaluation.health import Drift, Health


@dataclass(frozen=True, slots=True)
class Rule:
    """What a candidate has to keep to; metrics are absolute, shares lie between 0 and 1.

    A gated metric may fall by `margin` at most, and by `surely` at most where the fall is beyond
    chance. A tag with at least `tag_questions` questions may not surely fall by more than `margin`.
    """

    metrics: tuple[str, ...] = ("ndcg@10", "recall@10")
    margin: float = 0.02
    surely: float = 0.005
    tag_questions: int = 10
    coverage: float = 1.0
    index_recall: float = 0.95
    duplicates: float = 0.01
    spread: float = 0.05
    centroid: float = 0.1


@dataclass(frozen=True, slots=True)
class Soundness:
    """What is known of a candidate beside its answers.

    `missing` documents of `documents` are not in it, or not in their present version.
    """

    documents: int
    missing: int
    health: Health
    drift: Drift
    index_recall: float

    @property
    def coverage(self) -> float:
        """The share of documents that the candidate holds."""
        return 1 - self.missing / self.documents if self.documents else 1.0


def reasons(comparison: Comparison | None, soundness: Soundness, rule: Rule = Rule()) -> list[str]:
    """Why the candidate is refused, one sentence each; none is a pass.

    Without a comparison only what is wrong with the index itself.
    """
    worse = [*_worse(comparison, rule), *_worse_tags(comparison, rule)] if comparison else []
    return [*worse, *_unsound(soundness, rule)]


def _worse(comparison: Comparison, rule: Rule) -> Iterator[str]:
    for name in rule.metrics:
        found = comparison.metrics[name]
        shown = f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
        if found.mean < -rule.margin - 1e-9:
            yield f"{name} changes by {shown}: it may fall by {rule.margin:g} at most."
        elif found.high < -rule.surely:
            yield f"{name} changes by {shown}: beyond chance, it falls by more than {rule.surely:g}."


def _worse_tags(comparison: Comparison, rule: Rule) -> Iterator[str]:
    for tag, each in comparison.by_tag.items():
        for name in rule.metrics:
            found = each.metrics[name]
            if each.questions >= rule.tag_questions and found.high < -rule.margin:
                yield (
                    f"{name} of the {each.questions} questions tagged {tag!r} changes by "
                    f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]: beyond chance, it "
                    f"falls by more than {rule.margin:g}."
                )


def _unsound(found: Soundness, rule: Rule) -> Iterator[str]:
    health, centroid = found.health, found.drift.centroid
    if found.coverage < rule.coverage:
        yield (
            f"{found.missing} of {found.documents} documents are not in it, or in an old version: "
            f"coverage is {found.coverage:.2%}, and should be {rule.coverage:.0%}."
        )
    if not health.vectors and found.documents:
        yield "It holds no vectors."
    if health.off_norm:
        yield f"{health.off_norm} of {health.vectors} vectors sampled are not of length 1."
    if health.duplicates > rule.duplicates:
        yield (
            f"{health.duplicates:.1%} of the texts sampled share their vector with another text: "
            f"{rule.duplicates:.0%} is allowed."
        )
    if health.vectors > 1 and health.spread < rule.spread:
        yield (
            f"The vectors point in one direction: their mean distance is {health.spread:.4f}, at "
            f"least {rule.spread:g} is expected."
        )
    if centroid is not None and centroid > rule.centroid:
        yield (
            f"The centroid has moved by {centroid:.3f} from that of the live index of the same "
            f"model: {rule.centroid:g} is allowed."
        )
    if found.index_recall < rule.index_recall:
        yield (
            f"The vector index finds {found.index_recall:.1%} of the true nearest chunks, at least "
            f"{rule.index_recall:.0%} is expected: run `maintain_index`. If that does not "
            f"help, an index of int8 or binary, searched by signs first, needs more dimensions or bits."
        )
