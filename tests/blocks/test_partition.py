"""Tests of partitions of rows into blocks."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.blocks.partition import Partition


def int64(*values):
    return np.array(values, np.int64)


@given(st.lists(st.integers(0, 1000), max_size=80), st.integers(1, 12), st.integers(0, 9))
def test_members_are_in_the_order_of_their_positions(counts, n_blocks, seed):
    partition = Partition.balanced(int64(*counts), n_blocks, seed)

    seen = []
    for block in range(n_blocks):
        members = partition.members(block)
        assert members.dtype == np.int32
        assert np.all(np.diff(members) > 0)
        assert np.all(partition.block[members] == block)
        assert partition.row[members].tolist() == list(range(members.size))
        assert partition.sizes[block] == members.size
        seen.extend(members.tolist())
    assert sorted(seen) == list(range(len(counts))) == list(range(len(partition)))


def test_balance_is_the_largest_block_over_the_mean():
    partition = Partition(np.array([0, 1, 1], np.int32), np.array([0, 0, 1], np.int32), 4)

    # The blocks have 1, 7, 0 and 0 ratings: the mean is 2.
    assert partition.balance(int64(1, 3, 4)) == 3.5
    assert partition.balance(int64(0, 0, 0)) == 1.0


def test_a_partition_survives_pickling():
    partition = pickle.loads(pickle.dumps(Partition.balanced(int64(3, 1, 2), 2, seed=1)))

    assert sorted(partition.sizes.tolist()) == [1, 2]


@pytest.mark.parametrize("n_blocks", [0, -1, 2**31])
def test_n_blocks_out_of_range_is_refused(n_blocks):
    with pytest.raises(ValueError, match=rf"n_blocks must be in \[1, 2.*\], got {n_blocks}\."):
        Partition.balanced(int64(1), n_blocks, seed=0)


@pytest.mark.parametrize("n_blocks", [2.0, "2", True])
def test_n_blocks_of_another_type_is_refused(n_blocks):
    with pytest.raises(TypeError, match=rf"n_blocks must be an integer, got {n_blocks!r} \(.*\)"):
        Partition.balanced(int64(1), n_blocks, seed=0)


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="counts must be >= 0, got -2 for row 1"):
        Partition.balanced(int64(1, -2), 2, seed=0)


def test_counts_of_another_type_are_refused():
    with pytest.raises(TypeError, match=r"counts must be a one-dimensional int64 array, got float64 of shape \(1,\)"):
        Partition.balanced(np.array([1.0]), 2, seed=0)


def test_a_seed_of_another_type_is_refused():
    with pytest.raises(TypeError, match="seed must be an integer, got 'x'"):
        Partition.balanced(int64(1), 2, seed="x")  # type: ignore[arg-type]


@pytest.mark.parametrize("block", [-1, 2])
def test_a_block_that_does_not_exist_is_refused(block):
    with pytest.raises(ValueError, match=rf"block must be in \[0, 1\], got {block}\."):
        Partition.balanced(int64(1), 2, seed=0).members(block)


def test_a_balance_of_too_few_counts_is_refused():
    with pytest.raises(ValueError, match="counts must have length 2, one count per row, got 1"):
        Partition.balanced(int64(1, 1), 2, seed=0).balance(int64(1))


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=80), st.integers(1, 40), st.integers(0, 9))
def test_no_block_is_larger_than_allowed(counts, n_blocks, seed):
    partition = Partition.within(int64(*counts), n_blocks, seed)
    assert 1 <= partition.n_blocks <= min(n_blocks, len(counts))
    assert partition.n_blocks == 1 or partition.balance(int64(*counts)) <= 1.2


@pytest.mark.parametrize("n_blocks", [2, 7, 50, 120])
def test_a_long_tail_gives_as_many_even_blocks_as_asked(n_blocks):
    counts = (2_000_000 / np.arange(20, 30_020) ** 1.1).astype(np.int64) + 1
    partition = Partition.within(counts, n_blocks, 3)
    assert partition.n_blocks == n_blocks
    assert partition.balance(counts) <= 1.2


def test_one_row_larger_than_a_block_lowers_their_number():
    # 300 of 1,000 ratings in one row: with 4 blocks the mean would be 250 and 300 is just 1.2 times that.
    counts = int64(300, *[1] * 700)
    assert Partition.within(counts, 100, 0).n_blocks == 4
    assert Partition.within(counts, 4, 0).balance(counts) == 1.2
    assert Partition.within(counts, 100, 0, largest=2.4).n_blocks == 8
    assert Partition.within(int64(5), 3, 0).n_blocks == 1
    assert Partition.within(int64(0, 0), 2, 0).n_blocks == 2


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 60), st.integers(0, 9))
def test_joined_blocks_are_runs_of_the_old_ones(n_blocks, fewer, n_rows, seed):
    partition = Partition.balanced(np.ones(n_rows, np.int64), n_blocks, seed)
    if fewer > n_blocks:
        with pytest.raises(ValueError, match=f"n_blocks must be at most {n_blocks}, got {fewer}"):
            partition.joined(fewer)
        return
    joined = partition.joined(fewer)
    assert joined.n_blocks == fewer
    new_block = {old: {*joined.block[partition.block == old]} for old in range(n_blocks)}
    assert all(len(blocks) <= 1 for blocks in new_block.values())
    assert (np.diff([min(blocks) for blocks in new_block.values() if blocks]) >= 0).all()
    for block in range(fewer):
        np.testing.assert_array_equal(joined.row[joined.members(block)], np.arange(joined.sizes[block]))
