"""Fusing rankings: the two formulas by hand, and what must hold for any rankings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.retrieval.fusion import (
    Fusion,
    Scored,
    convex_combination,
    reciprocal_rank_fusion,
)

FUSIONS: list[Fusion] = [reciprocal_rank_fusion, convex_combination]
items = st.sampled_from("abcdefgh")
rankings = st.lists(
    st.lists(st.tuples(items, st.floats(-1, 50)), max_size=8, unique_by=lambda s: s[0]).map(
        lambda scored: sorted(scored, key=lambda s: -s[1])
    ),
    max_size=3,
)


def ids(scored: list[Scored]) -> list[str]:
    return [item for item, _ in scored]


def test_reciprocal_rank_fusion_adds_one_over_sixty_plus_rank() -> None:
    fused = reciprocal_rank_fusion([[("a", 9.0), ("b", 8.0)], [("b", 0.3), ("c", 0.2)]])
    assert fused == [
        ("b", pytest.approx(1 / 62 + 1 / 61)),
        ("a", pytest.approx(1 / 61)),
        ("c", pytest.approx(1 / 62)),
    ]


def test_reciprocal_rank_fusion_looks_at_ranks_only() -> None:
    near = reciprocal_rank_fusion([[("a", 9.0), ("b", 8.9)]])
    assert near == reciprocal_rank_fusion([[("a", 900.0), ("b", -5.0)]])


def test_a_convex_combination_adds_weighted_shares_of_the_best_score() -> None:
    fused = convex_combination(
        [[("a", 0.8), ("b", 0.4)], [("b", 20.0), ("c", 5.0)]], weights=[0.6, 0.4]
    )
    assert fused == [
        ("b", pytest.approx(0.6 * 0.5 + 0.4)),
        ("a", pytest.approx(0.6)),
        ("c", pytest.approx(0.4 * 0.25)),
    ]


def test_scores_below_zero_count_as_nothing_in_common() -> None:
    assert convex_combination([[("a", 0.5), ("b", -0.5)]]) == [("a", 1.0), ("b", 0.0)]
    assert convex_combination([[("a", -0.1), ("b", -0.5)]]) == [("a", 0.0), ("b", 0.0)]


@pytest.mark.parametrize("fuse", FUSIONS)
def test_equal_scores_are_ordered_by_id(fuse: Fusion) -> None:
    assert ids(fuse([[("b", 1.0)], [("a", 1.0)]])) == ["a", "b"]
    assert ids(fuse([[("a", 1.0)], [("b", 1.0)]])) == ["a", "b"]


@pytest.mark.parametrize("fuse", FUSIONS)
def test_a_ranking_of_weight_zero_orders_nothing(fuse: Fusion) -> None:
    fused = fuse([[("a", 2.0), ("b", 1.0)], [("b", 2.0), ("a", 1.0)]], weights=[1, 0])
    assert ids(fused) == ["a", "b"]


@pytest.mark.parametrize("fuse", FUSIONS)
def test_nothing_fuses_to_nothing(fuse: Fusion) -> None:
    assert fuse([]) == []
    assert fuse([[], []]) == []


@pytest.mark.parametrize("fuse", FUSIONS)
@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, 1.0, 1.0]])
def test_unusable_weights_are_refused(fuse: Fusion, weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights should be 2 numbers >= 0, not all 0"):
        fuse([[("a", 1.0)], [("b", 1.0)]], weights=weights)


def test_a_negative_constant_is_refused() -> None:
    with pytest.raises(ValueError, match="k should be >= 0, is now -1"):
        reciprocal_rank_fusion([[("a", 1.0)]], k=-1)


@pytest.mark.parametrize("fuse", FUSIONS)
@given(given_rankings=rankings)
def test_every_id_comes_out_once_best_first(
    fuse: Fusion, given_rankings: list[list[Scored]]
) -> None:
    fused = fuse(given_rankings)
    assert set(ids(fused)) == {item for ranking in given_rankings for item, _ in ranking}
    assert len(ids(fused)) == len(set(ids(fused)))
    assert fused == sorted(fused, key=lambda scored: (-scored[1], scored[0]))


@pytest.mark.parametrize("fuse", FUSIONS)
@given(given_rankings=rankings)
def test_the_order_of_equally_weighted_rankings_does_not_matter(
    fuse: Fusion, given_rankings: list[list[Scored]]
) -> None:
    forwards, backwards = dict(fuse(given_rankings)), dict(fuse(given_rankings[::-1]))
    assert forwards == pytest.approx(backwards)


@pytest.mark.parametrize("fuse", FUSIONS)
@given(given_rankings=rankings, copies=st.integers(1, 3))
def test_an_id_repeated_further_down_changes_no_score(
    fuse: Fusion, given_rankings: list[list[Scored]], copies: int
) -> None:
    repeated = [ranking + ranking[:1] * copies for ranking in given_rankings]
    assert dict(fuse(repeated)) == pytest.approx(dict(fuse(given_rankings)))


@given(rankings, st.lists(st.floats(0, 5), min_size=3, max_size=3))
def test_a_convex_combination_lies_between_zero_and_one(
    given_rankings: list[list[Scored]], weights: list[float]
) -> None:
    chosen = [weight + 0.1 for weight in weights[: len(given_rankings)]]
    assert all(0 <= s <= 1 for _, s in convex_combination(given_rankings, weights=chosen))


@given(rankings, st.floats(0.1, 10))
def test_a_convex_combination_does_not_depend_on_the_scale_of_scores(
    given_rankings: list[list[Scored]], factor: float
) -> None:
    scaled = [[(item, score * factor) for item, score in ranking] for ranking in given_rankings]
    assert dict(convex_combination(scaled)) == pytest.approx(
        dict(convex_combination(given_rankings))
    )
