"""A number that tells sets of ratings apart, whatever order they come in."""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.jit import kernel

# The finalizer of splitmix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", fig. 15).
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_NONE, _HALF = np.uint64(0), np.uint64(32)


def fingerprint(
    rows: NDArray[np.int32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: NDArray[np.float32],
    weights: NDArray[np.float32] | None = None,
    transposed: bool = False,
) -> int:
    """Sum, modulo 2**64, the hashes of all (row, column, value): a set that lost, gained or changed one differs.

    With weights, the hashes are those of (row, column, value, weight).

    Parameters
    ----------
    rows : int32[n], dense index of each row
    indptr, indices, values : int64[n + 1], int32[nnz], float32[nnz]
        The ratings in CSR, columns by their dense index.
    weights : float32[nnz], optional
    transposed : bool
        Whether to hash (column, row, value), so that the transposed matrix has the fingerprint of the matrix.
    """
    row_shift, column_shift = (_NONE, _HALF) if transposed else (_HALF, _NONE)
    weight_bits = None if weights is None else weights.view(np.uint32)
    return int(_sum_hashes(rows, indptr, indices, values.view(np.uint32), weight_bits, row_shift, column_shift))


@kernel(inline="always")
def _mix(word):  # type: ignore[no-untyped-def]
    word = (word ^ (word >> _SHIFT_1)) * _MIX_1
    word = (word ^ (word >> _SHIFT_2)) * _MIX_2
    return word ^ (word >> _SHIFT_3)


@kernel()
def _sum_hashes(rows, indptr, indices, bits, weight_bits, row_shift, column_shift):  # type: ignore[no-untyped-def]
    total = np.uint64(0)
    for row in range(rows.size):
        part = np.uint64(rows[row]) << row_shift
        for p in range(indptr[row], indptr[row + 1]):
            word = _mix(_mix(part | (np.uint64(indices[p]) << column_shift)) + np.uint64(bits[p]))
            if weight_bits is not None:
                word = _mix(word + np.uint64(weight_bits[p]))
            total += word
    return total
