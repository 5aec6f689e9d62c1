"""Plots: well-formed whatever the values, and saying them as text."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from include.evaluation.bootstrap import Interval
from include.evaluation.charts import bars, line, ranges

shares = st.floats(0, 1)
names = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
three = st.tuples(*[st.floats(-1, 1)] * 3).map(sorted)
kinds = st.sampled_from(["pass", "refuse", "fail", "no baseline"])


def numbers(svg: str) -> list[float]:
    """Every coordinate; parsing fails for anything that is not well-formed."""
    root = ElementTree.fromstring(svg)
    wanted = ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height")
    return [float(each.get(name)) for each in root.iter() for name in wanted if each.get(name)]


@given(st.dictionaries(names, three, min_size=1, max_size=9), st.just(0) | st.floats(0.001, 0.5))
def test_ranges_lie_within_the_plot(found, margin):
    intervals = {name: Interval(mean, low, high) for name, (low, mean, high) in found.items()}
    svg = ranges(intervals, margin)
    assert all(0 <= each <= 640 for each in numbers(svg))
    assert f"{next(iter(intervals.values())).mean:+.4f}" in svg


@given(st.dictionaries(names, st.tuples(shares, st.none() | shares), min_size=1, max_size=9))
def test_bars_lie_within_the_plot(found):
    assert all(0 <= each <= 640 for each in numbers(bars(found)))


@given(st.lists(st.tuples(names, shares, kinds), max_size=60))
def test_a_line_lies_within_the_plot(points):
    assert all(0 <= each <= 640 for each in numbers(line(points, "nDCG@10")))


def test_a_sure_loss_is_shown_as_one():
    loss, chance = Interval(-0.1, -0.2, -0.05), Interval(-0.1, -0.2, 0.05)
    assert 'class="worse"' in ranges({"a": loss}, 0.02)
    assert 'class="worse"' not in ranges({"a": chance}, 0.02)
