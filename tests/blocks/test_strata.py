"""Tests of the SGD schedule: each cell is processed once per epoch, and strata share neither rows nor columns."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.blocks.strata import Strata

grids = st.integers(1, 9).flatmap(lambda p: st.tuples(st.just(p), st.integers(p, 3 * p + 5)))
seeds = st.integers(-(2**63), 2**63 - 1)


@given(grids, seeds, st.integers(0, 50))
def test_every_cell_is_visited_once_in_an_epoch(grid, seed, epoch):
    p, q = grid
    visits = [(a, b) for stratum in Strata(p, q, seed).strata(epoch) for a, b in enumerate(stratum)]
    assert sorted(visits) == [(a, b) for a in range(p) for b in range(q)]


@given(grids, seeds, st.integers(0, 50))
def test_cells_of_a_stratum_share_no_item_block(grid, seed, epoch):
    p, q = grid
    for stratum in Strata(p, q, seed).strata(epoch):
        assert len(stratum) == p
        assert len(set(stratum)) == p


@given(grids, seeds, st.integers(0, 20))
def test_handing_blocks_on_round_a_ring_is_the_same_schedule(grid, seed, epoch):
    """Each member works on what it has or gets, in turn, and hands it to the member before: first in, first out."""
    p, q = grid
    strata = Strata(p, q, seed)
    circle = strata.circle(epoch)
    waiting = [deque(circle[strata.owned(a).start : strata.owned(a).stop]) for a in range(p)]
    for stratum in strata.strata(epoch):
        visited = [queue.popleft() for queue in waiting]
        assert visited == stratum
        for member, block in enumerate(visited):
            waiting[(member - 1) % p].append(block)
    assert [sorted(queue) for queue in waiting] == [list(strata.owned(a)) for a in range(p)]


@given(grids, seeds)
def test_each_user_block_owns_some_item_blocks_and_all_are_owned(grid, seed):
    p, q = grid
    owned = [list(Strata(p, q, seed).owned(a)) for a in range(p)]
    assert [block for blocks in owned for block in blocks] == list(range(q))
    assert all(owned)


def test_epochs_and_cells_have_orders_of_their_own():
    strata = Strata(2, 40, 3)
    assert strata.circle(0) != strata.circle(1)
    assert strata.circle(0) == Strata(2, 40, 3).circle(0)
    orders = [strata.tile_order(epoch, a, b, 50) for epoch, a, b in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(50))
    assert len({order.tobytes() for order in orders}) == 4
    assert strata.tile_order(0, 0, 0, 0).size == 0


@pytest.mark.parametrize(("p", "q"), [(3, 2), (0, 1)])
def test_fewer_item_blocks_than_user_blocks_are_refused(p, q):
    with pytest.raises(
        ValueError, match=f"item_blocks must be >= user_blocks.*, got {p} user blocks and {q} item blocks"
    ):
        Strata(p, q, 0)
