"""What is told about real queries beside an evaluation: figures, a sentence, suggestions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape

from include.evaluation.quoting import quote
from include.evaluation.traffic import (
    FAR_AMONG_GOLDEN,
    FEWEST,
    FEWEST_GOLDEN,
    MOST_WITHOUT_HITS,
    Answered,
    Distances,
    represents,
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A real query that no golden question is near, for all those around it; its hash and its text."""

    hash: str
    text: str
    queries: int
    distance: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """The real queries of the last `days` against `golden` questions.

    `queries` were logged, `different` of them with their text, `compared` of those were embedded.
    `distances` is None where that was not possible, and `problem` says why.
    """

    days: int
    golden: int
    answered: Answered
    different: int
    compared: int
    distances: Distances | None = None
    suggestions: tuple[Suggestion, ...] = ()
    problem: str = ""

    @property
    def represents(self) -> bool | None:
        """Whether the golden questions ask what people ask; None where that cannot be told."""
        if self.distances is None:
            return None
        return represents(self.distances, queries=self.compared, golden=self.golden)

    @property
    def note(self) -> str:
        """What the figures mean, in a few sentences."""
        return " ".join([self._about_distances(), *self._about_hits()])

    def without_texts(self) -> Traffic:
        """The same without what people wrote, for what is kept longer than the log."""
        return replace(self, suggestions=())

    def as_json(self) -> dict[str, object]:
        """Everything as JSON values."""
        found = self.distances
        return {
            "days": self.days,
            **self.answered.as_json(),
            "different": self.different,
            "compared": self.compared,
            "golden": self.golden,
            "represents": self.represents,
            "note": self.note,
            "distances": found and {
                "nearest": found.nearest.as_json(),
                "golden_apart": found.apart.as_json(),
                "far_beyond": found.far,
                "far_share": found.far_share,
                "far_interval": list(found.interval),
                "centroid": found.centroid,
            },
            "suggestions": [
                {"text": each.text, "queries": each.queries, "distance": each.distance}
                for each in self.suggestions
            ],
        }  # fmt: skip

    def _about_distances(self) -> str:
        if self.distances is None:
            return self.problem
        low, high = self.distances.interval
        told = (
            f"{self.distances.far_share:.0%} of the queries (of {self.compared} different ones "
            f"{low:.0%} to {high:.0%}) are farther from every golden question than "
            f"{FAR_AMONG_GOLDEN:.0%} of the golden questions are from each other."
        )
        if self.represents is None:
            few = f"{FEWEST} different queries and {FEWEST_GOLDEN} golden questions"
            return f"{told} That is too little to conclude from: at least {few} are needed."
        if self.represents:
            return f"The golden questions ask what people ask: {told}"
        return (
            f"The golden questions no longer represent what people ask: {told} Write golden "
            f"questions about the topics below."
        )

    def _about_hits(self) -> Iterable[str]:
        found = self.answered
        if found.queries and found.without_hits / found.queries > MOST_WITHOUT_HITS:
            yield f"{found.without_hits / found.queries:.0%} of the queries found nothing."


def section(found: Traffic) -> Iterable[str]:
    """The part of a page about it; each suggestion can be taken out again by its query's hash."""
    kind = {True: "pass", False: "refuse", None: ""}[found.represents]
    yield "<h2>Real queries</h2>"
    yield f'<div class="verdict {kind}">{escape(found.note)}</div>'
    yield _table(["measured", "value"], _rows(found))
    if found.suggestions:
        yield "<h2>Far from every golden question: suggestions for new ones</h2>"
        head = _row(["a query", "queries like it", "distance"], "th")
        rows = [
            quote(_row([each.text, str(each.queries), f"{each.distance:.3f}"], "td"), each.hash)
            for each in found.suggestions
        ]
        yield f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _rows(found: Traffic) -> Iterable[Sequence[str]]:
    went, apart = found.answered, found.distances
    yield [f"queries of the last {found.days} days", str(went.queries)]
    yield ["different ones with their text, and compared", f"{found.different}, {found.compared}"]
    yield ["without a hit", _share(went.without_hits, went.queries)]
    yield ["with a best score lower than 90 % of golden questions'", _share(went.low_score, went.scored)]  # fmt: skip
    if apart:
        yield ["to the nearest golden question (p10 to max)", _quantiles(apart.nearest.quantiles)]
        yield ["golden questions from each other (p10 to max)", _quantiles(apart.apart.quantiles)]
        yield ["farther than that", f"{apart.far_share:.1%} beyond {apart.far:.3f}"]
        yield ["the two centroids apart", f"{apart.centroid:.4f}"]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%} of {whole}" if whole else "not known"


def _quantiles(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.3f}" for value in values)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = "".join(_row(each, "td") for each in rows)
    return f'<div class="scroll"><table>{_row(head, "th")}{lines}</table></div>'


def _row(cells: Sequence[str], kind: str) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"
