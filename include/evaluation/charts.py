"""Plots as inline SVG: a range for each metric, bars, a line over time. Pure; no script, no font.

Colours come from the page's variables, so that a dark page has a dark plot. Every plot says its
values as text as well, for whoever cannot see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from include.evaluation.bootstrap import Interval

_WIDTH, _LABELS, _ROW = 640, 190, 26
_APART = 30
"""So far apart are two numbers on one axis, or only the first is written."""
_LEAST = 0.01
"""An axis reaches so far at least, where nothing differs."""


def ranges(differences: Mapping[str, Interval], margin: float = 0) -> str:
    """A dot with its confidence interval for each name, around a line at 0 and one at -margin."""
    ends = (max(abs(each.low), abs(each.high)) for each in differences.values())
    reach = 1.1 * max([margin, _LEAST, *ends])

    def x(value: float) -> float:
        return _LABELS + (value + reach) / (2 * reach) * (_WIDTH - _LABELS - 20)

    height = _ROW * len(differences) + 26
    parts = [
        _line(x(0), 4, x(0), height - 20, "axis"),
        _text(x(0), height - 4, "0", "middle"),
    ]
    if margin:
        parts.append(_line(x(-margin), 4, x(-margin), height - 20, "limit"))
    if x(0) - x(-margin) > _APART:
        parts.append(_text(x(-margin), height - 4, f"−{margin:g}", "middle"))
    for row, (name, each) in enumerate(differences.items()):
        y = row * _ROW + 18
        kind = "worse" if each.high < 0 else "better" if each.low > 0 else "same"
        parts += [
            _text(_LABELS - 12, y + 4, name, "end"),
            _line(x(each.low), y, x(each.high), y, kind),
            f'<circle cx="{x(each.mean):.1f}" cy="{y}" r="4.5" class="{kind}">'
            f"<title>{escape(_shown(name, each))}</title></circle>",
        ]
    told = "; ".join(_shown(name, each) for name, each in differences.items())
    return _svg(parts, height, f"Differences with 95 % intervals: {told}")


def bars(values: Mapping[str, tuple[float, float | None]]) -> str:
    """Two bars from 0 to 1 for each name: the candidate's, and below it the live one's if known."""
    height = (_ROW + 6) * len(values) + 6
    parts = []
    for row, (name, (ours, theirs)) in enumerate(values.items()):
        y = row * (_ROW + 6) + 6
        parts.append(_text(_LABELS - 12, y + (10 if theirs is None else 15), name, "end"))
        parts.append(_bar(y, ours, "ours"))
        if theirs is not None:
            parts.append(_bar(y + 12, theirs, "theirs"))
    told = "; ".join(
        f"{name} {ours:.4f}" + ("" if theirs is None else f" against {theirs:.4f}")
        for name, (ours, theirs) in values.items()
    )
    return _svg(parts, height, f"Values: {told}")


def line(points: Sequence[tuple[str, float, str]], name: str) -> str:
    """A value over time: `(when, value, kind)`, oldest first; `kind` colours the point."""
    height, top, bottom = 170, 14, 140
    low = min([value for _, value, _ in points], default=0.0)
    high = max([value for _, value, _ in points], default=1.0)
    room = max(high - low, 0.02)
    step = (_WIDTH - 80) / max(1, len(points) - 1)
    places = [
        (60 + at * step, bottom - (value - low) / room * (bottom - top))
        for at, (_, value, _) in enumerate(points)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [
        f'<polyline points="{path}" class="trend"/>',
        _text(52, bottom + 4, f"{low:.3f}", "end"),
    ]
    highest = bottom - (high - low) / room * (bottom - top)
    if bottom - highest > _APART:
        parts.append(_text(52, highest + 4, f"{high:.3f}", "end"))
    for (x, y), (when, value, kind) in zip(places, points, strict=True):
        told = escape(f"{when}: {name} {value:.4f}, {kind}")
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" class="{_KINDS.get(kind, "same")}">'
            f"<title>{told}</title></circle>"
        )
    if points:
        parts += [_text(60, height - 6, points[0][0], "start")]
        parts += [_text(_WIDTH - 20, height - 6, points[-1][0], "end")] * (len(points) > 1)
    told = "; ".join(f"{when} {value:.4f} {kind}" for when, value, kind in points)
    return _svg(parts, height, f"{name} over time: {told}")


_KINDS = {"pass": "better", "refuse": "worse", "fail": "worse"}


def _bar(y: float, value: float, kind: str) -> str:
    width = max(0.0, min(1.0, value)) * (_WIDTH - _LABELS - 70)
    return (
        f'<rect x="{_LABELS}" y="{y}" width="{width:.1f}" height="11" class="{kind}"/>'
        f"{_text(_LABELS + width + 6, y + 10, f'{value:.3f}', 'start')}"
    )


def _shown(name: str, each: Interval) -> str:
    return f"{name} {each.mean:+.4f} [{each.low:+.4f}, {each.high:+.4f}]"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1}" x2="{x2:.1f}" y2="{y2}" class="{kind}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], height: int, told: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(told)}">'
        f"{''.join(parts)}</svg>"
    )
