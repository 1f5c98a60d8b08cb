"""Reference implementation of `spark_mf.kernels.layout` in plain NumPy; see there for arguments and results."""

import numpy as np
from numpy.typing import NDArray


def encode(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Number the distinct ids by `np.unique`."""
    unique, codes, counts = np.unique(ids, return_inverse=True, return_counts=True)
    return unique, counts.astype(np.int64), codes.astype(np.int32)


def sum_by_code(codes: NDArray[np.int32], amounts: NDArray[np.int64], n_codes: int) -> NDArray[np.int64]:
    """Add up the amounts of each code."""
    sums = np.zeros(n_codes, np.int64)
    np.add.at(sums, codes, amounts)
    return sums


def scatter_by_block(
    block_of_code: NDArray[np.int32],
    local_row_of_code: NDArray[np.int32],
    row_codes: NDArray[np.int32],
    column_of_code: NDArray[np.int32],
    column_codes: NDArray[np.int32],
    values: NDArray[np.float32],
    n_blocks: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Sort one chunk's ratings by block, stably."""
    blocks = block_of_code[row_codes]
    order = np.argsort(blocks, kind="stable")
    offsets = _starts(blocks, n_blocks)
    return (
        offsets,
        local_row_of_code[row_codes][order],
        column_of_code[column_codes][order],
        values[order],
    )


def csr_from_triples(
    rows: NDArray[np.int32], columns: NDArray[np.int32], values: NDArray[np.float32], n_rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Sort ratings by row, stably."""
    order = np.argsort(rows, kind="stable")
    return _starts(rows, n_rows), columns[order], values[order]


def count_duplicates(indptr: NDArray[np.int64], indices: NDArray[np.int32], n_columns: int) -> int:
    """Count the ratings that repeat an earlier (row, column) pair."""
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    pairs = rows * n_columns + indices
    return pairs.size - np.unique(pairs).size


def _starts(groups: NDArray[np.int32], n_groups: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=n_groups))]).astype(np.int64)
