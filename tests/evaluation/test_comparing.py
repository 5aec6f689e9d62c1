"""Differences beyond chance, and the rule that refuses a candidate for them."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import ConfigurationError
from include.evaluation.bootstrap import Interval, intervals, paired_bootstrap
from include.evaluation.comparing import Comparison, compare
from include.evaluation.gate import Rule, Soundness, reasons
from include.evaluation.health import Drift, Health
from include.evaluation.metrics import METRICS
from include.evaluation.run import Evaluation, QuestionResult

SOUND = Health(2_000, 1.0, 1.0, 0, 0.0, (0.1, 0.2, 0.3), 0.9)
WHOLE = Soundness(100, 0, SOUND, Drift(0.0, 1.0), 1.0)


def evaluation(values: Sequence[float], index: str = "new", tags: Sequence[str] = ()) -> Evaluation:
    results = tuple(
        QuestionResult(f"q{at}", (tags[at],) if tags else (), dict.fromkeys(METRICS, value), ())
        for at, value in enumerate(values)
    )
    by_tag = {tag: dict.fromkeys(METRICS, 0.0) for tag in sorted(set(tags))}
    return Evaluation(
        index, "hybrid", {}, by_tag, results, None, tolerance=0.02, verdict="no baseline"
    )


def difference(mean: float, low: float, high: float, **of_tag: object) -> Comparison:
    found = dict.fromkeys(METRICS, Interval(mean, low, high))
    return Comparison("new", "old", 100, metrics=found, by_tag=of_tag)


def test_intervals_of_columns_are_those_of_each_column_alone():
    values = np.random.default_rng(1).normal(size=(50, 3))
    for at, found in enumerate(intervals(values)):
        assert asdict(found) == pytest.approx(asdict(intervals(values[:, [at]])[0]))


def test_an_interval_covers_the_truth_about_nineteen_times_in_twenty():
    draws = np.random.default_rng(3).normal(0.1, 1.0, size=(200, 60))
    found = [intervals(draw[:, None], samples=500)[0] for draw in draws]
    assert 176 <= sum(each.low <= 0.1 <= each.high for each in found) <= 198


def test_blocks_of_samples_do_not_change_an_interval(monkeypatch):
    values = np.random.default_rng(2).normal(size=(40, 1))
    whole = intervals(values)
    monkeypatch.setattr("include.evaluation.bootstrap._PICKS", 400)
    assert intervals(values) == whole


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_mean_lies_within_its_interval(values):
    found = paired_bootstrap(values, [0.0] * len(values))
    assert found.low <= found.mean <= found.high


def test_ten_thousand_questions_take_seconds_and_not_gigabytes():
    values = np.random.default_rng(4).normal(size=(10_000, len(METRICS)))
    began = time.process_time()
    assert len(intervals(values)) == len(METRICS)
    assert time.process_time() - began < 20


def test_a_comparison_is_candidate_minus_live_in_all_and_by_tag():
    tags = ["a", "a", "b", "b"]
    found = compare(
        evaluation([1, 1, 0.5, 0.5], tags=tags), evaluation([0.5, 0.5, 1, 1], "old", tags)
    )
    assert found.metrics["ndcg@10"].mean == pytest.approx(0)
    assert (found.candidate, found.live, found.questions) == ("new", "old", 4)
    assert found.by_tag["a"].metrics["ndcg@10"] == Interval(0.5, 0.5, 0.5)
    assert found.by_tag["b"].metrics["ndcg@10"] == Interval(-0.5, -0.5, -0.5)
    assert found.by_tag["b"].questions == 2
    assert set(found.as_json()["metrics"]) == set(METRICS)


@pytest.mark.parametrize(
    "live", [evaluation([1.0]), replace(evaluation([1.0, 1.0]), mode="vector")]
)
def test_other_questions_or_another_mode_cannot_be_compared(live):
    with pytest.raises(ConfigurationError, match="the same questions in the same mode"):
        compare(evaluation([1.0, 1.0]), live)


@pytest.mark.parametrize(
    ("mean", "low", "high", "refused"),
    [
        (0.1, 0.05, 0.15, False),
        (0.0, 0.0, 0.0, False),
        (-0.019, -0.06, 0.02, False),
        (-0.02, -0.06, 0.02, False),
        (-0.021, -0.06, 0.02, True),
        (-0.01, -0.014, -0.006, True),
        (-0.004, -0.006, -0.002, False),
        (-0.5, -0.6, -0.4, True),
    ],
)
def test_a_metric_may_fall_by_chance_and_a_little_and_no_further(mean, low, high, refused):
    found = reasons(difference(mean, low, high), WHOLE)
    assert [each.split()[0] for each in found] == (["ndcg@10", "recall@10"] if refused else [])


def test_a_tag_that_surely_suffers_is_a_reason_although_the_whole_gains():
    values = [0.9] * 80 + [0.2] * 20
    tags = ["prose"] * 80 + ["code"] * 20
    compared = compare(evaluation(values, tags=tags), evaluation([0.7] * 100, "old", tags))
    found = reasons(compared, WHOLE)
    assert len(found) == 2
    assert all("20 questions tagged 'code'" in each for each in found)
    assert reasons(compared, WHOLE, Rule(tag_questions=21)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"missing": 1}, "1 of 100 documents are not in it.*99.00%"),
        ({"health": replace(SOUND, off_norm=3)}, "3 of 2000 vectors sampled are not of length 1"),
        ({"health": replace(SOUND, duplicates=0.02)}, "2.0% of the texts sampled share"),
        ({"health": replace(SOUND, spread=0.01)}, "point in one direction"),
        ({"health": replace(SOUND, vectors=0)}, "holds no vectors"),
        ({"drift": Drift(0.2, 1.0)}, "centroid has moved by 0.200"),
        (
            {"index_recall": 0.9},
            "finds 90.0% of the true nearest.*int8 or binary.*more dimensions",
        ),
    ],
)
def test_an_unsound_index_is_refused_however_well_it_answers(change, told):
    (found,) = reasons(difference(0.5, 0.4, 0.6), replace(WHOLE, **change))
    assert re.search(told, found)


def test_nothing_is_missing_of_nothing():
    assert replace(WHOLE, documents=0).coverage == 1.0
