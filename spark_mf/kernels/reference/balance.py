"""Reference implementation of `spark_mf.kernels.balance` in plain NumPy; see there for arguments and results."""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.balance import HEAVY_PARTS
from spark_mf.kernels.random import Purpose, uniform


def balanced_blocks(counts: NDArray[np.int64], n_blocks: int, seed: int) -> NDArray[np.int32]:
    """Deal rows to blocks, heavy ones to the lightest block, light ones in turn."""
    order = np.arange(counts.size)
    draws = uniform(seed, Purpose.ROW_ORDER, order, 1)[:, 0]
    for last in range(counts.size - 1, 0, -1):
        chosen = int(draws[last] * (last + 1))
        order[[last, chosen]] = order[[chosen, last]]
    order = order[np.argsort(-counts[order], kind="stable")]

    block_of_row = np.empty(counts.size, np.int32)
    heavy = counts.sum() // (HEAVY_PARTS * n_blocks)
    load = np.zeros(n_blocks, np.int64)
    dealt = 0
    while dealt < order.size:
        count = max(counts[order[dealt]], 1)
        if count <= heavy and load.max() - load.min() <= count:
            break
        lightest = load.argmin()
        block_of_row[order[dealt]] = lightest
        load[lightest] += count
        dealt += 1
    for start in range(dealt, order.size, n_blocks):
        rows = order[start : start + n_blocks]
        same = rows.size == n_blocks and counts[rows[0]] == counts[rows[-1]]
        blocks = np.arange(n_blocks) if same else np.argsort(load, kind="stable")[: rows.size]
        block_of_row[rows] = blocks
        load[blocks] += counts[rows]
    return block_of_row


def positions_in_block(block: NDArray[np.int32], n_blocks: int) -> NDArray[np.int32]:
    """Number the rows of each block in ascending order."""
    position = np.empty(block.size, np.int32)
    for b in range(n_blocks):
        inside = block == b
        position[inside] = np.arange(np.count_nonzero(inside))
    return position
