"""Ranking metrics: values worked out by hand, and what must hold for any ranking."""

from __future__ import annotations

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.evaluation.bootstrap import paired_bootstrap
from include.evaluation.metrics import (
    METRICS,
    documents_in_order,
    mean,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)

GRADES = {"a": 3.0, "b": 2.0, "c": 1.0}
names = st.sampled_from("abcdefghijklmnop")
all_rankings = st.lists(names, unique=True, max_size=16)
all_grades = st.dictionaries(names, st.integers(1, 3).map(float), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("ranking", "k", "expected"),
    [
        ("abc", 10, 1.0),
        ("", 10, 0.0),
        ("xyz", 10, 0.0),
        ("xa", 10, (3 / log2(3)) / (3 + 2 / log2(3) + 1 / 2)),
        ("cba", 10, (1 + 2 / log2(3) + 3 / 2) / (3 + 2 / log2(3) + 1 / 2)),
        ("ba", 1, 2 / 3),
        ("xxa", 2, 0.0),
    ],
)
def test_ndcg_has_linear_gain_and_the_ideal_of_all_grades(
    ranking: str, k: int, expected: float
) -> None:
    assert ndcg(list(ranking), GRADES, k) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ranking", "k", "expected_recall", "expected_precision", "expected_rank"),
    [
        ("abc", 10, 1.0, 0.3, 1.0),
        ("xaxb", 4, 2 / 3, 0.5, 0.5),
        ("xaxb", 1, 0.0, 0.0, 0.0),
        ("xxxxc", 5, 1 / 3, 0.2, 0.2),
        ("", 5, 0.0, 0.0, 0.0),
    ],
)
def test_recall_precision_and_reciprocal_rank(
    ranking: str, k: int, expected_recall: float, expected_precision: float, expected_rank: float
) -> None:
    documents = _distinct(ranking)
    assert recall(documents, GRADES, k) == pytest.approx(expected_recall)
    assert precision(documents, GRADES, k) == pytest.approx(expected_precision)
    assert reciprocal_rank(documents, GRADES, k) == pytest.approx(expected_rank)


def _distinct(ranking: str) -> list[str]:
    """Each x is another irrelevant document."""
    return [f"x{place}" if name == "x" else name for place, name in enumerate(ranking)]


def test_a_document_stands_where_its_best_chunk_stood() -> None:
    assert documents_in_order(["b", "a", "b", "c", "a"]) == ["b", "a", "c"]


def test_a_grade_of_zero_is_not_relevant() -> None:
    assert recall(["a"], {"a": 1.0, "b": 0.0}, 10) == 1.0
    assert reciprocal_rank(["b"], {"a": 1.0, "b": 0.0}, 10) == 0.0
    assert ndcg(["a"], {"b": 0.0}, 10) == 0.0


@pytest.mark.parametrize("metric", [ndcg, recall, precision, reciprocal_rank])
def test_k_below_one_is_refused(metric) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="k should be >= 1, is now 0"):
        metric(["a"], GRADES, 0)


@given(all_rankings, all_grades)
def test_every_metric_lies_between_zero_and_one(
    ranking: list[str], grades: dict[str, float]
) -> None:
    assert all(0 <= metric(ranking, grades, k) <= 1 for metric, k in METRICS.values())


@given(all_grades, all_rankings)
def test_the_ideal_ranking_scores_one(grades: dict[str, float], others: list[str]) -> None:
    ideal = sorted(grades, key=lambda name: -grades[name])
    ranking = ideal + [name for name in others if name not in grades]
    assert ndcg(ranking, grades, 10) == pytest.approx(1)
    assert recall(ranking, grades, 10) == 1
    assert reciprocal_rank(ranking, grades, 10) == 1


@given(all_rankings, all_grades, st.integers(1, 10), st.randoms(use_true_random=False))
def test_what_stands_below_k_does_not_matter(ranking, grades, k, random) -> None:  # type: ignore[no-untyped-def]
    below = ranking[k:]
    random.shuffle(below)
    for metric, _ in METRICS.values():
        assert metric(ranking, grades, k) == metric(ranking[:k] + below, grades, k)


@given(all_rankings, all_grades, st.integers(0, 14))
def test_moving_a_better_document_up_never_lowers_ndcg(
    ranking: list[str], grades: dict[str, float], place: int
) -> None:
    if place + 1 >= len(ranking):
        return
    above, below = ranking[place], ranking[place + 1]
    swapped = [*ranking[:place], below, above, *ranking[place + 2 :]]
    if grades.get(below, 0) >= grades.get(above, 0):
        assert ndcg(swapped, grades, 10) >= ndcg(ranking, grades, 10) - 1e-12


def test_the_mean_of_nothing_is_zero() -> None:
    assert mean([]) == 0
    assert mean([1.0, 0.5]) == 0.75


def test_a_paired_bootstrap_is_repeatable_and_holds_its_mean() -> None:
    ours, theirs = [0.9, 0.8, 0.7, 0.9], [0.5, 0.6, 0.7, 0.4]
    interval = paired_bootstrap(ours, theirs)
    assert interval == paired_bootstrap(ours, theirs)
    assert interval.low <= interval.mean <= interval.high
    assert interval.mean == pytest.approx(0.275)


def test_a_ranking_against_itself_differs_by_nothing() -> None:
    interval = paired_bootstrap([0.1, 0.7], [0.1, 0.7])
    assert (interval.mean, interval.low, interval.high) == (0, 0, 0)


def test_a_bootstrap_of_unequal_lengths_is_refused() -> None:
    with pytest.raises(ValueError, match="has 1 and 2"):
        paired_bootstrap([0.1], [0.1, 0.2])
