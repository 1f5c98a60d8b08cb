"""The kernels of partial selection against their NumPy twins and against a plain sort."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.kernels import topk
from spark_mf.kernels.reference import topk as topk_reference

IMPLEMENTATIONS = pytest.mark.parametrize("implementation", [topk, topk_reference], ids=["kernel", "twin"])


def select(implementation, scores, n, tile):
    values, indices = topk.empty_selection(len(scores), n)
    for offset in range(0, scores.shape[1], tile):
        implementation.topk_update(np.ascontiguousarray(scores[:, offset : offset + tile]), offset, values, indices)
    implementation.topk_sort(values, indices)
    return values, indices


@st.composite
def tiled_scores(draw):
    """Scores with many ties and some that may not be kept, a selection size and a tile size."""
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([1, 4, 10_000]))
    scores = rng.integers(-levels, levels + 1, (rows, columns)).astype(np.float32)
    unusable = rng.random(scores.shape) < draw(st.sampled_from([0, 0.2, 1]))
    scores[unusable] = rng.choice(np.array([np.nan, -np.inf, np.inf], np.float32), unusable.sum())
    return scores, draw(st.integers(1, 100)), draw(st.integers(1, 100))


@IMPLEMENTATIONS
def test_hand_made_row(implementation):
    scores = np.array([[1, 5, np.nan, 5, 3]], np.float32)
    values, indices = select(implementation, scores, 3, tile=2)
    assert indices.tolist() == [[1, 3, 4]]
    assert values.tolist() == [[5, 5, 3]]


@IMPLEMENTATIONS
def test_places_without_a_score_stay_free(implementation):
    scores = np.array([[2, np.nan, -np.inf], [np.nan, np.nan, np.nan]], np.float32)
    values, indices = select(implementation, scores, 4, tile=3)
    assert indices.tolist() == [[0, -1, -1, -1], [-1, -1, -1, -1]]
    assert values.tolist() == [[2, -np.inf, -np.inf, -np.inf], [-np.inf] * 4]


@IMPLEMENTATIONS
@pytest.mark.parametrize("tile", [1, 16, 17, 64, 1000])
def test_equal_scores_keep_the_smallest_indices_whatever_the_tile(implementation, tile):
    scores = np.full((3, 200), 7, np.float32)
    _, indices = select(implementation, scores, 5, tile)
    assert indices.tolist() == [[0, 1, 2, 3, 4]] * 3


@given(tiled_scores())
def test_kernel_equals_twin_and_plain_sort(case):
    scores, n, tile = case
    kernel_values, kernel_indices = select(topk, scores, n, tile)
    twin_values, twin_indices = select(topk_reference, scores, n, tile)
    np.testing.assert_array_equal(kernel_indices, twin_indices)
    np.testing.assert_array_equal(kernel_values, twin_values)
    for row, row_indices in zip(scores, kernel_indices, strict=True):
        usable = [column for column in range(row.size) if row[column] > -np.inf]
        best = sorted(usable, key=lambda column: (-row[column], column))[:n]
        assert row_indices.tolist() == best + [-1] * (n - len(best))


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_sorted_scores_with_a_large_selection(order):
    scores = np.arange(1000, dtype=np.float32)[None, :: 1 if order == "ascending" else -1]
    values, _ = select(topk, scores, 300, tile=128)
    np.testing.assert_array_equal(values[0], np.arange(999, 699, -1))


def test_scores_may_be_read_only():
    scores = np.array([[1, 2]], np.float32)
    scores.flags.writeable = False
    values, indices = topk.empty_selection(1, 1)
    topk.topk_update(scores, 0, values, indices)
    assert indices.tolist() == [[1]]


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 60), st.integers(1, 9), st.integers(1, 70), st.data()
)
def test_products_equal_their_twin_whatever_the_tiles(seed, rows, columns, rank, n, data):
    rng = np.random.default_rng(seed)
    # Small integers: products are exact, and there are ties.
    sources, targets = (rng.integers(-3, 4, (count, rank)).astype(np.float32) for count in (rows, columns))
    block_size = data.draw(st.integers(1, columns))
    values, indices = topk.topk_products(sources, targets, n, block_size)
    expected = topk_reference.topk_products(sources, targets, n, block_size)
    assert values.shape == (rows, min(n, columns))
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(indices, expected[1])


def test_products_of_more_rows_than_a_tile_has_are_those_of_single_rows():
    rng = np.random.default_rng(3)
    sources, targets = rng.standard_normal((1100, 4)).astype(np.float32), np.eye(4, dtype=np.float32)
    values, indices = topk.topk_products(sources, targets, 1, 3)
    np.testing.assert_array_equal(values[:, 0], sources.max(axis=1))
    np.testing.assert_array_equal(indices[:, 0], sources.argmax(axis=1))
