"""Cells of the grid of user blocks and item blocks, their ratings laid out for stochastic gradient descent.

A cell's ratings are sorted by *tile*, `TILE_ROWS` consecutive users, whose rows stay in the second-level cache
while the tile is visited; inside a tile they lie in a random order. Everything is a counting sort, linear in
the ratings.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.jit import kernel
from spark_mf.kernels.random import Purpose, philox4x32, seed_key

#: Users of a tile: at rank 64 their rows take 72 KiB, at rank 256 half of a second-level cache of 512 KiB.
TILE_ROWS = 256

_PURPOSE = np.uint64(Purpose.SGD_RATING_ORDER)
_WORD = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)


@dataclass(frozen=True)
class Cell:
    """Ratings of one user block and one item block.

    Attributes
    ----------
    rows : int32[nnz], position of the user in its block
    columns : int32[nnz], position of the item in its block
    values : float32[nnz]
    starts : int64[tiles + 1], where the ratings of each tile start
    weights : float32[nnz], or None if the weight of all ratings is 1
    """

    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]
    starts: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None

    def parts(self, n: int) -> list["Cell"]:
        """Cut the ratings into n runs of about equal length, each of one tile: for what visits them without order."""
        cuts = np.linspace(0, self.values.size, n + 1).astype(np.int64)
        parts = []
        for a, b in pairwise(cuts.tolist()):
            weights = None if self.weights is None else self.weights[a:b]
            parts.append(Cell(self.rows[a:b], self.columns[a:b], self.values[a:b], np.array([0, b - a]), weights))
        return parts


def make_cells(
    indptr: NDArray[np.int64],
    rows_dense: NDArray[np.int32],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    column_block: NDArray[np.int32],
    column_row: NDArray[np.int32],
    n_column_blocks: int,
    seed: int,
    weights: NDArray[np.float32] | None = None,
) -> list[Cell]:
    """Cut a user block into cells, one for each item block.

    The order inside a tile is a function of the seed and of the ratings' users and items alone, so it does not
    depend on how users are cut into blocks; ratings of the same user and item keep their order.

    Parameters
    ----------
    indptr : int64[n + 1], where the ratings of each user start
    rows_dense : int32[n], dense index of each user
    columns : int32[nnz], dense index of the item, nnz below 2**32
    values : float32[nnz]
    column_block : int32[n_items], the block of each item, from 0 to ``n_column_blocks - 1``
    column_row : int32[n_items], its position there
    n_column_blocks : int
    seed : any signed 64-bit integer
    weights : float32[nnz], optional

    Returns
    -------
    `n_column_blocks` cells of ⌈n / TILE_ROWS⌉ tiles; their arrays are views of arrays as long as the ratings
    """
    n_tiles = -(-rows_dense.size // TILE_ROWS)
    starts = np.zeros(n_column_blocks * n_tiles + 1, np.int64)
    item_block = column_block.view(np.uint32)
    items = columns.view(np.uint32)
    _count(indptr, items, item_block, n_tiles, starts)
    keys = np.empty(values.size, np.uint32)
    cell_rows = np.empty(values.size, np.int32)
    cell_columns = np.empty(values.size, np.int32)
    cell_values = np.empty(values.size, np.float32)
    free = starts[:-1].astype(np.uint64)
    sorted_arrays = (keys, cell_rows, cell_columns, cell_values)
    _scatter(indptr, rows_dense, items, values, item_block, column_row, n_tiles, seed_key(seed), free, *sorted_arrays)
    _sort_tiles(starts, *sorted_arrays)
    cells = []
    for block in range(n_column_blocks):
        tiles = starts[block * n_tiles : (block + 1) * n_tiles + 1]
        part = slice(tiles[0], tiles[-1])
        cells.append(Cell(cell_rows[part], cell_columns[part], cell_values[part], tiles - tiles[0]))
    if weights is None:
        return cells
    # The order depends on users and items alone, so weights take the places of their values.
    weighted = make_cells(indptr, rows_dense, columns, weights, column_block, column_row, n_column_blocks, seed)
    return [replace(cell, weights=other.values) for cell, other in zip(cells, weighted, strict=True)]


@kernel()
def _count(indptr, items, item_block, n_tiles, starts):  # type: ignore[no-untyped-def]
    """Set `starts` to where the ratings of each block's tiles start, block by block."""
    for row in range(indptr.size - 1):
        following = np.uint64(row // TILE_ROWS + 1)
        for p in range(indptr[row], indptr[row + 1]):
            starts[np.uint64(item_block[items[p]]) * np.uint64(n_tiles) + following] += 1
    for bucket in range(starts.size - 1):
        starts[bucket + 1] += starts[bucket]


@kernel()
def _scatter(  # type: ignore[no-untyped-def]
    indptr,
    rows_dense,
    items,
    values,
    item_block,
    item_row,
    n_tiles,
    seed,
    free,
    keys,
    cell_rows,
    cell_columns,
    cell_values,
):
    """Move ratings to their tiles, with the random key that orders them there; `free` is used up."""
    for row in range(indptr.size - 1):
        tile = np.uint64(row // TILE_ROWS)
        user = np.uint64(rows_dense[row])
        for p in range(indptr[row], indptr[row + 1]):
            item = items[p]
            bucket = np.uint64(item_block[item]) * np.uint64(n_tiles) + tile
            place = free[bucket]
            free[bucket] = place + _ONE
            key, _, _, _ = philox4x32(user, _ZERO, np.uint64(item), _PURPOSE, seed & _WORD, seed >> _SHIFT)
            keys[place] = key
            cell_rows[place] = row
            cell_columns[place] = item_row[item]
            cell_values[place] = values[p]


@kernel()
def _sort_tiles(starts, keys, rows, columns, values):  # type: ignore[no-untyped-def]
    """Sort the ratings of each tile by key, stably."""
    longest = 0
    for tile in range(starts.size - 1):
        longest = max(longest, starts[tile + 1] - starts[tile])
    order = np.empty(longest, np.uint64)
    old_rows, old_columns = np.empty(longest, np.int32), np.empty(longest, np.int32)
    old_values = np.empty(longest, np.float32)
    free = np.empty(2 * longest + 2, np.int64)
    for tile in range(starts.size - 1):
        start, count = starts[tile], starts[tile + 1] - starts[tile]
        _order_by_key(keys[start : start + count], free, order)
        for i in range(count):
            old_rows[i] = rows[start + i]
            old_columns[i] = columns[start + i]
            old_values[i] = values[start + i]
        for i in range(count):
            source = order[i] & _WORD
            rows[start + i] = old_rows[source]
            columns[start + i] = old_columns[source]
            values[start + i] = old_values[source]


@kernel()
def _order_by_key(keys, free, order):  # type: ignore[no-untyped-def]
    """Write key and position of each rating, as high and low word, in ascending order to `order`.

    Random keys are nearly in order after a counting sort of their leading bits into as many buckets as there
    are keys; insertion then moves each over about one place.
    """
    shift, buckets = np.uint64(32), 1
    while buckets < keys.size:
        buckets *= 2
        shift -= _ONE
    free[: buckets + 1] = 0
    for i in range(keys.size):
        free[(np.uint64(keys[i]) >> shift) + _ONE] += 1
    for bucket in range(buckets):
        free[bucket + 1] += free[bucket]
    for i in range(keys.size):
        leading = np.uint64(keys[i]) >> shift
        order[np.uint64(free[leading])] = (np.uint64(keys[i]) << _SHIFT) | np.uint64(i)
        free[leading] += 1
    for i in range(1, keys.size):
        word = order[i]
        place = i
        while place > 0 and order[place - 1] > word:
            order[place] = order[place - 1]
            place -= 1
        order[place] = word
