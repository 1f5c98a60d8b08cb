"""Balanced blocks: the bounds that the docstring promises, hand-worked cases, and the NumPy twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.kernels import balance
from spark_mf.kernels.reference import balance as reference

IMPLEMENTATIONS = pytest.mark.parametrize("implementation", [balance, reference], ids=["kernel", "twin"])

#: Long tails with a few heavy rows, ties, and rows without ratings.
COUNTS = st.lists(st.integers(0, 4) | st.integers(0, 300) | st.integers(0, 20_000), max_size=150)


def totals(blocks, counts, n_blocks):
    return np.bincount(blocks, weights=counts, minlength=n_blocks)


@given(COUNTS, st.integers(1, 20), st.integers(-(2**63), 2**63 - 1))
def test_equals_its_twin(counts, n_blocks, seed):
    counts = np.array(counts, np.int64)

    blocks = balance.balanced_blocks(counts, n_blocks, seed)

    assert blocks.dtype == np.int32
    np.testing.assert_array_equal(blocks, reference.balanced_blocks(counts, n_blocks, seed))


@given(COUNTS, st.integers(1, 20), st.integers(0, 99))
def test_the_largest_block_is_near_the_mean_unless_its_rows_are_too_heavy(counts, n_blocks, seed):
    counts = np.array(counts, np.int64)

    blocks = balance.balanced_blocks(counts, n_blocks, seed)

    assert blocks.size == counts.size
    assert np.all((blocks >= 0) & (blocks < n_blocks))
    load = totals(blocks, counts, n_blocks)
    inside = counts[(blocks == load.argmax()) & (counts > 0)]
    mean = counts.sum() / n_blocks
    assert load.max() <= 1.2 * mean or inside.size == 1 or inside.min() > 0.2 * mean


@pytest.mark.parametrize("n_blocks", [2, 7, 64])
def test_a_long_tail_is_balanced_in_ratings_and_in_rows(n_blocks):
    """As in real sets: 30,000 rows, of which the heaviest has 0.3 % of the ratings."""
    counts = (10_000 / np.sqrt(np.arange(1, 30_001))).astype(np.int64)

    blocks = balance.balanced_blocks(counts, n_blocks, seed=5)

    load = totals(blocks, counts, n_blocks)
    rows = np.bincount(blocks, minlength=n_blocks)
    assert load.max() <= 1.01 * load.mean()
    assert rows.max() <= 1.01 * rows.mean()


def test_without_heavy_rows_blocks_differ_by_one_row_at_most():
    counts = np.random.default_rng(1).integers(0, 50, 10_001)

    rows = np.bincount(balance.balanced_blocks(counts, 10, seed=1))

    assert sorted(rows.tolist()) == [1000] * 9 + [1001]


@IMPLEMENTATIONS
def test_one_row_as_heavy_as_all_others_has_a_block_to_itself(implementation):
    counts = np.array([1] * 500 + [1000] + [1] * 500, np.int64)

    blocks = implementation.balanced_blocks(counts, 2, seed=3)

    assert np.flatnonzero(blocks == blocks[500]).tolist() == [500]


@IMPLEMENTATIONS
def test_more_blocks_than_rows_leaves_blocks_empty(implementation):
    blocks = implementation.balanced_blocks(np.array([5, 0, 9], np.int64), 8, seed=0)

    assert len(set(blocks.tolist())) == 3


@IMPLEMENTATIONS
def test_rows_without_ratings_are_spread(implementation):
    blocks = implementation.balanced_blocks(np.zeros(12, np.int64), 4, seed=0)

    assert np.bincount(blocks).tolist() == [3, 3, 3, 3]


@IMPLEMENTATIONS
def test_no_rows(implementation):
    assert implementation.balanced_blocks(np.empty(0, np.int64), 3, seed=0).shape == (0,)


def test_the_seed_decides_where_equal_rows_go():
    counts = np.ones(1000, np.int64)

    first = balance.balanced_blocks(counts, 4, seed=1)

    np.testing.assert_array_equal(first, balance.balanced_blocks(counts, 4, seed=1))
    other = balance.balanced_blocks(counts, 4, seed=2)
    # Independent blocks agree on a quarter of the rows: 250, give or take 6 standard deviations of 14.
    assert 166 < np.count_nonzero(first == other) < 334


@IMPLEMENTATIONS
def test_positions_in_block_count_rows_upwards(implementation):
    block = np.array([2, 0, 2, 2, 0], np.int32)

    position = implementation.positions_in_block(block, 4)

    assert position.dtype == np.int32
    assert position.tolist() == [0, 0, 1, 2, 1]
