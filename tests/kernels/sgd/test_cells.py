"""Cells: every rating once, tiles in order, an order inside them that only the seed and the ids decide."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spark_mf.kernels import sgd as fast
from spark_mf.kernels.reference import sgd as plain
from spark_mf.kernels.sgd import TILE_ROWS, Cell

SHAPES = st.tuples(
    st.integers(0, 2**32 - 1),  # of the ratings
    st.integers(0, 3 * TILE_ROWS),  # users
    st.integers(1, 40),  # items
    st.integers(0, 2000),  # ratings
    st.integers(1, 7),  # item blocks, some of them empty
)


class Block:
    """A user block of random ratings; `value` tells every rating from every other."""

    def __init__(self, shape: tuple[int, int, int, int, int]) -> None:
        seed, n_users, n_items, n, self.n_blocks = shape
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.integers(0, n_users, n)) if n_users else np.zeros(0, np.int64)
        self.indptr = np.searchsorted(rows, np.arange(n_users + 1)).astype(np.int64)
        self.users = rng.permutation(2 * n_users)[:n_users].astype(np.int32)
        self.columns = rng.integers(0, n_items, rows.size).astype(np.int32)
        self.values = np.arange(rows.size, dtype=np.float32)
        self.column_block = rng.integers(0, self.n_blocks, n_items).astype(np.int32)
        self.column_row = np.zeros(n_items, np.int32)
        for block in range(self.n_blocks):
            own = self.column_block == block
            self.column_row[own] = rng.permutation(own.sum())

    def cells(self, module=fast, seed: int = 3, users: slice = slice(None)) -> list[fast.Cell]:
        """The cells of some users, of all of them by default."""
        first, last, _ = users.indices(self.users.size)
        ratings = slice(self.indptr[first], self.indptr[last])
        indptr = self.indptr[first : last + 1] - self.indptr[first]
        data = indptr, self.users[users], self.columns[ratings], self.values[ratings]
        weights = 2 * self.values[ratings] + 1
        return module.make_cells(*data, self.column_block, self.column_row, self.n_blocks, seed, weights)


@given(SHAPES, st.integers(-(2**63), 2**63 - 1))
@example((0, 0, 1, 0, 3), 0)
@example((1, 1, 1, 1, 1), 0)
@example((2, 3, 1, 2000, 2), 0)  # the same pairs over and over
def test_cells_equal_their_twins(shape, seed):
    block = Block(shape)
    for cell, expected in zip(block.cells(seed=seed), block.cells(plain, seed), strict=True):
        for name in ("rows", "columns", "values", "starts", "weights"):
            np.testing.assert_array_equal(getattr(cell, name), getattr(expected, name))
            assert getattr(cell, name).dtype == getattr(expected, name).dtype


@given(SHAPES)
def test_every_rating_is_in_its_cell_once(shape):
    block = Block(shape)
    cells = block.cells()
    rows = np.repeat(np.arange(block.users.size), np.diff(block.indptr))
    np.testing.assert_array_equal(np.sort(np.concatenate([cell.values for cell in cells])), block.values)
    for number, cell in enumerate(cells):
        rating = cell.values.astype(int)
        assert (block.column_block[block.columns[rating]] == number).all()
        np.testing.assert_array_equal(cell.columns, block.column_row[block.columns[rating]])
        np.testing.assert_array_equal(cell.rows, rows[rating])
        np.testing.assert_array_equal(cell.weights, 2 * cell.values + 1)
        tiles = np.repeat(np.arange(cell.starts.size - 1), np.diff(cell.starts))
        np.testing.assert_array_equal(cell.rows // TILE_ROWS, tiles)


@given(SHAPES, st.data())
def test_order_does_not_depend_on_how_users_are_cut_into_blocks(shape, data):
    """Those users of a tile that are cut off keep the order of their ratings."""
    block = Block((*shape[:1], min(shape[1], TILE_ROWS), *shape[2:]))
    cut = data.draw(st.integers(0, block.users.size))
    upper_half = block.cells(users=slice(cut, None))
    for whole, part in zip(block.cells(), upper_half, strict=True):
        np.testing.assert_array_equal(whole.values[whole.rows >= cut], part.values)


def test_another_seed_gives_another_order():
    block = Block((4, 100, 30, 2000, 1))
    one, same, other = (block.cells(seed=seed)[0].values for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.9


def test_order_inside_a_tile_is_random():
    """Of a sorted order's neighbours all would ascend, of a random one's about half."""
    values = Block((5, 200, 10**6, 100_000, 1)).cells()[0].values
    ascending = (np.diff(values) > 0).mean()
    assert abs(ascending - 0.5) < 0.01
    # Correlated with the order it came in, ratings would still be visited user by user.
    assert abs(np.corrcoef(values, np.arange(values.size))[0, 1]) < 0.02


@pytest.mark.parametrize("n", [1, 2, 7])
def test_parts_have_every_rating_once_in_order(n):
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(0, 9, 50).astype(np.int32) for _ in range(2))
    values, weights = (rng.normal(size=50).astype(np.float32) for _ in range(2))
    cell = Cell(rows, columns, values, np.array([0, 20, 50]), weights)
    parts = cell.parts(n)
    assert len(parts) == n
    for name in ("rows", "columns", "values", "weights"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(cell, name))
    assert all(part.weights is None for part in replace(cell, weights=None).parts(n))
    assert all(part.starts.tolist() == [0, part.values.size] for part in parts)
