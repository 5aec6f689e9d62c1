"""Vectors that no model should give, and what drift between two samples means."""

from __future__ import annotations

import numpy as np
import pytest

from include.documents import Hit
from include.evaluation.health import drift, examine
from include.evaluation.timing import index_recall, latency


def unit(rows: int, dimensions: int = 32, seed: int = 1) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, dimensions)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def texts(rows: int) -> list[str]:
    return [f"text {at}" for at in range(rows)]


def test_sound_vectors_have_length_one_and_differ():
    found = examine(unit(500), texts(500))
    assert (found.vectors, found.off_norm, found.duplicates) == (500, 0, 0.0)
    assert found.norm_low == pytest.approx(1, abs=1e-5)
    assert found.spread == pytest.approx(1, abs=0.05)
    assert 0 < found.nearest[0] <= found.nearest[1] <= found.nearest[2] < 1


@pytest.mark.parametrize("bad", [0.0, 2.0, np.nan, np.inf])
def test_vectors_of_another_length_are_counted_and_break_nothing(bad):
    vectors = unit(50)
    vectors[[3, 7]] = bad
    found = examine(vectors, texts(50))
    assert found.off_norm == 2
    assert np.isfinite([found.spread, *found.nearest]).all()


def test_texts_that_share_a_vector_are_duplicates_and_equal_texts_are_not():
    vectors = unit(100)
    vectors[10:15] = vectors[9]
    assert examine(vectors, texts(100)).duplicates == pytest.approx(0.06)
    repeated = [*texts(9), *["the same"] * 6, *texts(100)[15:]]
    assert examine(vectors, repeated).duplicates == 0.0


def test_a_model_that_gives_the_same_for_everything_has_no_spread():
    almost = np.ones((50, 32)) + np.random.default_rng(2).normal(scale=0.01, size=(50, 32))
    vectors = (almost / np.linalg.norm(almost, axis=1, keepdims=True)).astype(np.float32)
    assert examine(vectors, texts(50)).spread < 0.01


def test_no_vectors_and_one_vector_are_examined_too():
    assert examine(np.zeros((0, 0), np.float32), []).vectors == 0
    assert examine(unit(1), ["one"]).nearest == (0.0, 0.0, 0.0)


def moved(same_model: bool, by: float) -> object:
    ours, theirs = unit(400), unit(400, seed=2)
    ours, theirs = ours + 0.3, theirs + 0.3
    ours[:, :16] += by
    both = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (ours, theirs)]
    healths = tuple(examine(each, texts(400)) for each in both)
    return drift(both[0], both[1], healths, same_model=same_model)


def test_the_centroid_tells_a_moved_cloud_from_another_draw_of_the_same():
    assert moved(True, 0.0).centroid < 0.01
    assert moved(True, 1.0).centroid > 0.1


def test_two_models_have_no_directions_in_common():
    assert moved(False, 0.0).centroid is None
    assert moved(False, 0.0).nearest == pytest.approx(1, abs=0.2)


def hits(*scores: float) -> list[Hit]:
    return [Hit(str(s), "d", "u", "v", "", (), "", 0, 0, s) for s in scores]


@pytest.mark.parametrize(
    ("found", "exact", "expected"),
    [
        ([hits(0.9, 0.8)], [[0.9, 0.8]], 1.0),
        ([hits(0.9, 0.5)], [[0.9, 0.8]], 0.5),
        ([hits(0.9), []], [[0.9], [0.8]], 0.5),
        ([hits(0.8, 0.8, 0.8)], [[0.8, 0.8]], 1.0),
        ([[]], [[]], 1.0),
        ([], [], 1.0),
    ],
)
def test_index_recall_counts_chunks_as_near_as_the_true_ones(found, exact, expected):
    assert index_recall(found, exact) == expected


def test_latency_is_measured_search_by_search_and_the_first_is_not_counted():
    ticks = iter([0.0, 0.010, 1.0, 1.020, 2.0, 2.030])
    asked = []

    class Search:
        index = "i"

        def search_all(self, queries, k=10, *, mode="hybrid"):
            asked.append((tuple(queries), k, mode))
            return [[] for _ in queries]

    found = latency(Search(), ["a", "b", "c"], "text", lambda: next(ticks))
    assert asked == [((each,), 10, "text") for each in "aabc"]
    assert found.p50_ms == pytest.approx(20)
    assert found.p95_ms == pytest.approx(29)
    assert found.searches == 3
