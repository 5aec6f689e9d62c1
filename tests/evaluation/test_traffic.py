"""Real queries against golden questions: numbers that can be worked out by hand, and their meaning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.evaluation.traffic import answered, compare, represents, wilson


def at(*degrees: float) -> np.ndarray:
    """Unit vectors in a plane, so that distances are 1 - cos of the angle between them."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def cloud(middle: int, count: int, seed: int, spread: float = 0.25) -> np.ndarray:
    """Unit vectors around one of 64 directions."""
    held = np.random.default_rng(seed).normal(0, spread / 8, (count, 64))
    held[:, middle] += 1
    return (held / np.linalg.norm(held, axis=1, keepdims=True)).astype(np.float32)


GOLDEN = at(0, 10, 20, 30)


def test_distances_are_those_to_the_nearest_golden_question():
    found = compare(at(0, 13, 90), [1, 1, 1], GOLDEN)
    assert found.nearest.as_json()["p50"] == pytest.approx(1 - np.cos(np.radians(3)), abs=1e-6)
    assert found.nearest.as_json()["max"] == pytest.approx(1 - np.cos(np.radians(60)), abs=1e-6)
    assert found.apart.as_json()["p50"] == pytest.approx(1 - np.cos(np.radians(10)), abs=1e-6)


def test_what_is_far_is_decided_by_the_golden_questions_and_shares_count_repeats():
    found = compare(at(0, 13, 90), [6, 2, 2], GOLDEN)
    assert found.far == pytest.approx(1 - np.cos(np.radians(10)), abs=1e-5)
    assert found.far_share == pytest.approx(0.2)
    assert found.interval[0] < 1 / 3 < found.interval[1]


def test_the_golden_questions_themselves_are_not_far_from_themselves():
    found = compare(GOLDEN, [1] * 4, GOLDEN)
    assert (found.far_share, found.topics) == (0.0, ())
    assert found.centroid == pytest.approx(0, abs=1e-6)


def test_golden_questions_that_are_all_alike_call_no_copy_of_them_far():
    same = at(*[45.0] * 12)
    assert compare(at(45.0, 45.0), [1, 1], same).far_share == 0.0


def test_far_queries_are_grouped_and_the_largest_group_comes_first():
    queries = at(0, 80, 82, 84, 120, 175)
    found = compare(queries, [50, 1, 1, 1, 2, 1], GOLDEN)
    assert [(topic.at, topic.queries) for topic in found.topics] == [(2, 3), (4, 2), (5, 1)]
    assert found.topics[0].distance == pytest.approx(1 - np.cos(np.radians(52)), abs=1e-6)


def test_of_many_groups_ten_are_named():
    found = compare(np.eye(64, dtype=np.float32)[2:40], [1] * 38, cloud(0, 20, seed=1))
    assert len(found.topics) == 10


def test_queries_about_the_same_are_represented_and_others_are_not():
    golden = cloud(0, 60, seed=1)
    same = compare(cloud(0, 200, seed=2), [1] * 200, golden)
    other = compare(cloud(5, 200, seed=2), [1] * 200, golden)
    assert represents(same, queries=200, golden=60) is True
    assert represents(other, queries=200, golden=60) is False
    assert other.centroid > 0.5 > same.centroid
    assert same.far_share < 0.15


@pytest.mark.parametrize(("queries", "golden"), [(29, 60), (200, 9)])
def test_little_proves_nothing(queries, golden):
    other = compare(cloud(5, 50, seed=2), [1] * 50, cloud(0, 20, seed=1))
    assert represents(other, queries=queries, golden=golden) is None


@pytest.mark.parametrize(("queries", "golden"), [(np.zeros((0, 2)), GOLDEN), (GOLDEN, at(0))])
def test_nothing_to_compare_is_an_error(queries, golden):
    with pytest.raises(ValueError, match="two golden questions"):
        compare(queries, [1] * len(queries), golden)


@given(st.lists(st.integers(0, 359), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_queries_does_not_matter_and_shares_are_shares(degrees, chance):
    counts = [1 + d % 3 for d in degrees]
    pairs = list(zip(degrees, counts, strict=True))
    chance.shuffle(pairs)
    one = compare(at(*degrees), counts, GOLDEN)
    two = compare(at(*(d for d, _ in pairs)), [c for _, c in pairs], GOLDEN)
    assert one.nearest.quantiles == pytest.approx(two.nearest.quantiles, abs=1e-6)
    assert one.far_share == pytest.approx(two.far_share)
    assert 0 <= one.interval[0] <= one.interval[1] <= 1
    assert sum(topic.queries for topic in one.topics) <= sum(counts)
    assert list(one.nearest.quantiles) == sorted(one.nearest.quantiles)


def test_the_interval_of_a_share_is_wilsons():
    assert wilson(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_answers_are_counted_against_the_golden_questions_of_the_same_mode():
    golden = {"vector": [0.5 + at / 100 for at in range(11)], "hybrid": []}
    asked = [("vector", 0.505), ("vector", 0.9), ("vector", 0.95), ("vector", None)]
    asked += [("hybrid", 0.1), ("text", 3.0)]
    found = answered(asked, golden)
    assert (found.queries, found.without_hits, found.low_score, found.scored) == (6, 1, 1, 3)
    assert found.as_json()["without_hits_share"] == pytest.approx(1 / 6)
    assert found.as_json()["low_score_share"] == pytest.approx(1 / 3)
    assert answered([], {}).as_json()["without_hits_share"] is None
