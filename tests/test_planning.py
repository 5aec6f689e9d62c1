"""Plans, withheld deletions, and batches of bounded number and equal weight."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.planning import Plan, batches, withhold_deletions

CONTRACT = {
    *("added", "changed", "moved", "removed", "unchanged"),
    *("chunks", "chunks_to_embed", "tokens_to_embed", "estimated_cost_usd"),
}


def test_a_plan_in_json_has_the_names_of_the_contract():
    plain = Plan(added=3, chunks=7, estimated_cost_usd=Decimal("1E-7")).to_json()
    assert set(plain) >= CONTRACT
    assert plain["estimated_cost_usd"] == "0.0000001"
    assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize(
    ("plan", "empty"),
    [
        (Plan(), True),
        (Plan(unchanged=5, held=2), True),
        (Plan(touched=1), False),
        (Plan(rejected=1), False),
        (Plan(removed=2), False),
        (Plan(removed=2, deletions_withheld=2), True),
    ],
)
def test_a_plan_is_empty_when_carrying_it_out_would_write_nothing(plan, empty):
    assert plan.is_empty is empty


@pytest.mark.parametrize(
    ("removed", "total", "listed", "withheld"),
    [
        (0, 0, 0, False),
        (0, 100, 100, False),
        (1, 1, 0, True),
        (100, 100, 0, True),
        (3, 4, 1, False),
        (4, 5, 1, True),
        (50, 100, 50, False),
        (51, 100, 49, True),
        (51, 100, 500, True),
    ],
    ids=[
        "an empty lake",
        "nothing removed",
        "the only document went",
        "everything went",
        "a few of a few",
        "most of a few",
        "exactly the fraction",
        "above the fraction",
        "another folder, many new documents",
    ],
)
def test_large_deletions_wait_for_a_person(removed, total, listed, withheld):
    found = withhold_deletions(removed, total, max_delete_fraction=0.5, listed=listed)
    assert found is withheld


def test_a_fraction_of_one_still_asks_before_emptying_the_index():
    assert withhold_deletions(10, 10, max_delete_fraction=1.0, listed=0)
    assert not withhold_deletions(10, 10, max_delete_fraction=1.0, listed=1)


def test_a_fraction_of_zero_asks_from_the_fourth_deletion_on():
    assert not withhold_deletions(3, 10_000, max_delete_fraction=0, listed=9_997)
    assert withhold_deletions(4, 10_000, max_delete_fraction=0, listed=9_996)


def cut(tokens: list[int], max_tasks: int, target: int) -> list[tuple[int, int]]:
    series = pl.Series(tokens, dtype=pl.Int32)
    return batches(series, max_tasks=max_tasks, target_tokens=target)


@pytest.mark.parametrize(
    ("tokens", "max_tasks", "target", "expected"),
    [
        ([], 4, 10, []),
        ([0], 4, 10, [(0, 1)]),
        ([0, 0], 4, 0, [(0, 2)]),
        ([5, 5], 4, 10, [(0, 2)]),
        ([1] * 40, 64, 10, [(0, 13), (13, 26), (26, 40)]),
        ([1] * 40, 2, 10, [(0, 20), (20, 40)]),
        ([10] * 10, 1, 1, [(0, 10)]),
        ([1, 1, 1, 100], 4, 2, [(0, 4)]),
    ],
)
def test_batches_of_known_texts(tokens, max_tasks, target, expected):
    assert cut(tokens, max_tasks, target) == expected


sizes = st.lists(st.integers(0, 500), max_size=300).map(sorted)


@given(sizes, st.integers(1, 64), st.integers(1, 5_000))
def test_batches_cover_all_texts_in_order_and_are_bounded(tokens, max_tasks, target):
    found = cut(tokens, max_tasks, target)
    assert len(found) <= max_tasks
    assert [number for start, stop in found for number in range(start, stop)] == list(
        range(len(tokens))
    )
    assert all(start < stop for start, stop in found)
    sums = [sum(tokens[start:stop]) for start, stop in found]
    if len(found) > 1:
        assert min(sums) >= target
        assert max(sums) - min(sums) <= 2 * max(tokens)


@given(sizes, st.integers(1, 64))
def test_more_texts_make_larger_batches_and_not_more_than_allowed(tokens, max_tasks):
    counts = [len(cut(tokens * times, max_tasks, 100)) for times in (1, 10, 100)]
    assert all(one <= other for one, other in pairwise(counts))
    assert max(counts, default=0) <= max_tasks


def test_a_large_corpus_is_cut_into_exactly_the_tasks_allowed():
    found = cut([250] * 1_000_000, 64, 200_000)
    assert len(found) == 64
    assert {stop - start for start, stop in found} == {15_625}
