"""Rows of the benchmark's table: what was measured, its bar, and whether it was reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HEADER = "| what | measured | bar | met | how |\n|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row; `good` is None where there is no bar."""

    name: str
    value: str
    bar: str = ""
    good: bool | None = None
    note: str = ""

    def line(self) -> str:
        """The row in Markdown."""
        verdict = {True: "yes", False: "**no**", None: ""}[self.good]
        return f"| {self.name} | {self.value} | {self.bar} | {verdict} | {self.note} |"


def limited(name: str, value: float, limit: float, unit: str = "", note: str = "") -> Figure:
    """A figure that should not exceed its bar."""
    return Figure(name, f"{value:.3g} {unit}".strip(), f"<= {limit:g}", value <= limit, note)


def exact(name: str, value: object, wanted: object, note: str = "") -> Figure:
    """A figure that should equal its bar."""
    return Figure(name, str(value), str(wanted), value == wanted, note)


def split(stages: Mapping[str, float], per: float = 1.0) -> str:
    """The seconds of each stage, divided."""
    return ", ".join(f"{name} {seconds / per:.3f}" for name, seconds in stages.items())


A_POINT = 0.01
# nDCG@10, recall@10, MRR@10 of all-MiniLM-L6-v2 with LanceDB's full-text index on two published
# collections: of two independent measurements the better.
REFERENCE = {
    ("xquad_en", "vector"): (0.9430, 0.9891, 0.9273),
    ("xquad_en", "text"): (0.9724, 0.9933, 0.9644),
    ("xquad_en", "hybrid"): (0.9687, 0.9966, 0.9592),
    ("cranfield", "vector"): (0.4273, 0.4556, 0.7647),
    ("cranfield", "text"): (0.4327, 0.4447, 0.8187),
    ("cranfield", "hybrid"): (0.4707, 0.4837, 0.8220),
}


def retrieved(name: str, mode: str, metrics: Mapping[str, float], note: str) -> Figure:
    """nDCG, recall and MRR at 10 against the reference; the bar is on the nDCG.

    Hybrid search has to reach it; more than a point below it in another mode means a fault.
    """
    values = [metrics[metric] for metric in ("ndcg@10", "recall@10", "mrr@10")]
    value = " / ".join(f"{each:.4f}" for each in values)
    label, reference = f"{name}, {mode}: nDCG / recall / MRR@10", REFERENCE.get((name, mode))
    if reference is None:
        return Figure(label, value, note=note)
    bar = reference[0] - (0.0 if mode == "hybrid" else A_POINT)
    note = f"{note}; reference {' / '.join(f'{each:.4f}' for each in reference)}"
    return Figure(label, value, f">= {bar:.4f}", values[0] >= bar, note)
