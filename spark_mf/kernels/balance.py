"""Rows to blocks of nearly equal work: equally many ratings first, equally many rows next.

The kernels trust their callers; `spark_mf.blocks.partition` does the checking.
"""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.jit import kernel
from spark_mf.kernels.layout import encode
from spark_mf.kernels.random import Purpose, uniform

#: A row is heavy when it has more ratings than a mean block divided by this.
HEAVY_PARTS = 20


def balanced_blocks(counts: NDArray[np.int64], n_blocks: int, seed: int) -> NDArray[np.int32]:
    """Deal rows to blocks so that blocks have nearly equally many ratings and rows.

    Rows are taken from the one with most ratings down, equal ones in random order.

    1. Heavy rows, and rows after them while the blocks are uneven by more than the next row, go one by one to
       the block with the fewest ratings (Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl.
       Math. 17, 1969: longest processing time first).  A row without ratings counts as one here, so that such
       rows spread too.
    2. The others are dealt in rounds.  Each round gives every block one row, the largest to the block with
       the fewest ratings.  A round leaves the blocks no more uneven than they were, or than its own rows are,
       so that they end within one light row of each other.

    A block thus exceeds the mean by a twentieth at most, or by the ratings of the last row of step 1 in it.

    Parameters
    ----------
    counts : int64[n], ratings of each row
    n_blocks : int, 1 or more; where it exceeds n, some blocks stay empty
    seed : int, a signed 64-bit integer

    Returns
    -------
    int32[n], the block of each row
    """
    draws = uniform(seed, Purpose.ROW_ORDER, np.arange(counts.size), 1)[:, 0]
    distinct_counts, rows_of_code, codes = encode(counts)
    order = _by_code_descending(_shuffled(draws), codes, rows_of_code)
    return _deal(np.repeat(distinct_counts[::-1], rows_of_code[::-1]), order, n_blocks)


@kernel()
def positions_in_block(block: NDArray[np.int32], n_blocks: int) -> NDArray[np.int32]:
    """Number the rows of each block in ascending order.

    Parameters
    ----------
    block : int32[n], from 0 to ``n_blocks - 1``
    n_blocks : int

    Returns
    -------
    int32[n], how many earlier rows are in the same block
    """
    size = np.zeros(n_blocks, np.int32)
    position = np.empty(block.size, np.int32)
    for row in range(block.size):
        position[row] = size[block[row]]
        size[block[row]] += 1
    return position


@kernel()
def _shuffled(draws: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return a random order of ``draws.size`` rows: the shuffle of Fisher and Yates (Knuth 2, algorithm 3.4.2P)."""
    order = np.arange(draws.size).astype(np.int32)
    for last in range(draws.size - 1, 0, -1):
        chosen = int(draws[last] * (last + 1))
        order[last], order[chosen] = order[chosen], order[last]
    return order


@kernel()
def _by_code_descending(
    rows: NDArray[np.int32], codes: NDArray[np.int32], rows_of_code: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Sort rows from the highest code to the lowest, keeping the order of those with the same code."""
    free = np.empty(rows_of_code.size, np.int64)
    start = 0
    for code in range(rows_of_code.size - 1, -1, -1):
        free[code] = start
        start += rows_of_code[code]
    order = np.empty(rows.size, np.int32)
    for i in range(rows.size):
        code = codes[rows[i]]
        order[free[code]] = rows[i]
        free[code] += 1
    return order


@kernel()
def _sift_down(heap: NDArray[np.int64], size: int, load: NDArray[np.int64], start: int) -> None:
    """Restore the order of ``heap[:size]``, blocks with the lightest first, below position `start`.

    Of equally loaded blocks the one with the lower number comes first.
    """
    block = heap[start]
    parent = start
    while 2 * parent + 1 < size:
        child = 2 * parent + 1
        left = heap[child]
        if child + 1 < size:
            right = heap[child + 1]
            if load[right] < load[left] or (load[right] == load[left] and right < left):
                child += 1
        below = heap[child]
        if load[block] < load[below] or (load[block] == load[below] and block < below):
            break
        heap[parent] = below
        parent = child
    heap[parent] = block


@kernel()
def _deal(counts: NDArray[np.int64], order: NDArray[np.int32], n_blocks: int) -> NDArray[np.int32]:
    """Return blocks of the rows `order`, which have the descending `counts`."""
    block_of_row = np.empty(order.size, np.int32)
    heavy = counts.sum() // (HEAVY_PARTS * n_blocks)
    load = np.zeros(n_blocks, np.int64)
    heap = np.arange(n_blocks)
    largest = 0
    dealt = 0
    while dealt < order.size:
        count = max(counts[dealt], 1)
        lightest = heap[0]
        if count <= heavy and largest - load[lightest] <= count:
            break
        block_of_row[order[dealt]] = lightest
        load[lightest] += count
        largest = max(largest, load[lightest])
        _sift_down(heap, n_blocks, load, 0)
        dealt += 1

    while dealt < order.size:
        end = min(dealt + n_blocks, order.size)
        # Most rounds of a long tail give every block the same, which leaves the heap in order.
        if end - dealt == n_blocks and counts[dealt] == counts[end - 1]:
            for block in range(n_blocks):
                block_of_row[order[dealt + block]] = block
                load[block] += counts[dealt]
        else:
            _deal_round(counts[dealt:end], order[dealt:end], load, heap, block_of_row)
        dealt = end
    return block_of_row


@kernel()
def _deal_round(
    counts: NDArray[np.int64],
    rows: NDArray[np.int32],
    load: NDArray[np.int64],
    heap: NDArray[np.int64],
    block_of_row: NDArray[np.int32],
) -> None:
    """Give ``rows[i]`` to the block of the i-th smallest load; a short last round leaves out the fullest."""
    size = heap.size
    for i in range(rows.size):
        lightest = heap[0]
        block_of_row[rows[i]] = lightest
        size -= 1
        # As in heapsort, blocks that are done collect behind the heap.
        heap[0] = heap[size]
        heap[size] = lightest
        _sift_down(heap, size, load, 0)
    for i in range(rows.size):
        load[heap[heap.size - 1 - i]] += counts[i]
    for start in range(heap.size // 2 - 1, -1, -1):
        _sift_down(heap, heap.size, load, start)
