"""Partial selection: the n best of each row of scores that arrive tile by tile.

The selection of one row is a binary heap in two arrays of length n whose root is the *worst* kept entry, so a
new score is compared with one number before anything else is done. An entry is worse than another when its
value is smaller or, at equal values, its index larger: what is kept does not depend on the tiles' size.
A free place has value -inf and index -1. NaN and -inf are never kept.
"""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.jit import kernel

# Scores that are compared with the root together, as whole vectors. Longer runs save little on those without
# a hit, and cost more on those with one, which are looked at again score by score.
_RUN = 16

#: Bytes of a tile of scores: the matrix product writes it and the selection reads it once, so it should stay in the
#: own cache of a core.
TILE_BYTES = 1 << 19
_TILE_ROWS = 512


def empty_selection(rows: int, n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return (values float32[rows, n], indices int64[rows, n]) of selections in which every place is free."""
    return np.full((rows, n), -np.inf, np.float32), np.full((rows, n), -1, np.int64)


@kernel()
def _is_worse(value: float, index: int, other_value: float, other_index: int) -> bool:
    return value < other_value or (value == other_value and index > other_index)


@kernel()
def _replace_worst(
    values: NDArray[np.float32], indices: NDArray[np.int64], size: int, value: float, index: int
) -> None:
    """Let an entry take the root's place in the heap of the first `size` places, and sink to its own."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        right = child + 1
        if right < size and _is_worse(values[right], indices[right], values[child], indices[child]):
            child = right
        if not _is_worse(values[child], indices[child], value, index):
            break
        values[place] = values[child]
        indices[place] = indices[child]
        place = child
    values[place] = value
    indices[place] = index


@kernel()
def _any_above(scores: NDArray[np.float32], start: int, threshold: float) -> bool:
    # A fixed trip count, no early exit and int32 throughout: only so does LLVM compare whole vectors.
    above = np.int32(0)
    for position in range(_RUN):
        above |= np.int32(scores[start + position] > threshold)
    return above != 0


@kernel()
def _offer(
    scores: NDArray[np.float32],
    start: int,
    stop: int,
    offset: int,
    values: NDArray[np.float32],
    indices: NDArray[np.int64],
) -> None:
    for column in range(start, stop):
        # Not "≥": an equal score that comes later has the larger index, so it is worse. NaN is above nothing.
        if scores[column] > values[0]:
            _replace_worst(values, indices, values.shape[0], scores[column], offset + column)


@kernel()
def topk_update(
    scores: NDArray[np.float32], offset: int, values: NDArray[np.float32], indices: NDArray[np.int64]
) -> None:
    """Offer a tile of scores to the rows' selections, in place.

    Parameters
    ----------
    scores : float32[rows, columns], C order
    offset : int
        Index of the tile's first column. The tiles of a row come in ascending order of their offsets.
    values, indices : float32[rows, n], int64[rows, n]
        The selections, from `empty_selection`; n ≥ 1.
    """
    rows, columns = scores.shape
    for row in range(rows):
        row_scores = scores[row]
        row_values = values[row]
        row_indices = indices[row]
        start = 0
        while start + _RUN <= columns:
            if _any_above(row_scores, start, row_values[0]):
                _offer(row_scores, start, start + _RUN, offset, row_values, row_indices)
            start += _RUN
        _offer(row_scores, start, columns, offset, row_values, row_indices)


@kernel()
def topk_sort(values: NDArray[np.float32], indices: NDArray[np.int64]) -> None:
    """Order each row's selection in place: largest value first, smaller index first, free places last.

    Parameters
    ----------
    values, indices : float32[rows, n], int64[rows, n]
        As `topk_update` leaves them; afterwards they are final, no heap that could be updated further.
    """
    rows, size = values.shape
    for row in range(rows):
        row_values = values[row]
        row_indices = indices[row]
        for last in range(size - 1, 0, -1):
            value, index = row_values[last], row_indices[last]
            row_values[last] = row_values[0]
            row_indices[last] = row_indices[0]
            _replace_worst(row_values, row_indices, last, value, index)


def topk_products(
    sources: NDArray[np.float32], targets: NDArray[np.float32], n: int, block_size: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the n largest inner products of each source row with the target rows, tile by tile.

    Parameters
    ----------
    sources : float32[rows, rank]
    targets : float32[m, rank]
    n : int
    block_size : int
        Target rows that are scored at a time, at most; fewer where a tile would pass `TILE_BYTES`.

    Returns
    -------
    (values, indices) : float32[rows, min(n, m)], int64[rows, min(n, m)], as `topk_sort` orders them
    """
    values, indices = empty_selection(len(sources), min(n, len(targets)))
    if values.size == 0:
        return values, indices
    height = min(_TILE_ROWS, len(sources))
    width = min(block_size, len(targets), TILE_BYTES // (4 * height))
    buffer = np.empty(height * width, np.float32)
    for top in range(0, len(sources), height):
        rows = sources[top : top + height]
        for left in range(0, len(targets), width):
            tile = targets[left : left + width]
            scores = buffer[: len(rows) * len(tile)].reshape(len(rows), len(tile))
            np.dot(rows, tile.T, out=scores)
            topk_update(scores, left, values[top : top + height], indices[top : top + height])
    topk_sort(values, indices)
    return values, indices
