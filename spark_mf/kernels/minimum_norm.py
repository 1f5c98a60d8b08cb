"""Rows whose normal equations float32 cannot solve: minimum-norm least squares in float64."""

import numpy as np
from numpy.typing import NDArray

#: Factors are float32 numbers: singular values below this fraction of the largest are rounding, times the size.
_ROUNDING = float(np.finfo(np.float32).eps)


def solve_minimum_norm(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: NDArray[np.float32],
    fixed: NDArray[np.float32],
    penalty: NDArray[np.float32],
    solved: NDArray[np.float32],
    rows: NDArray[np.integer],
) -> None:
    """Write to `solved[rows]` the shortest minimiser of Σ (values[p] − fixed[indices[p]]·u)² + penalty·‖u‖².

    The arguments are those of `spark_mf.kernels.least_squares`. With a penalty of 0 and fewer independent
    ratings than the rank, there are many minimisers; the shortest is pinv(X) r (Golub and Van Loan, "Matrix
    computations", 4th ed., §5.5). A row without ratings gets zeros. The penalty enters as rank more equations
    √penalty·u = 0, so that X is never squared.
    """
    rank = fixed.shape[1]
    for row in rows:
        ratings = slice(indptr[row], indptr[row + 1])
        left = fixed[indices[ratings]].astype(np.float64)
        right = values[ratings].astype(np.float64)
        if penalty[row] > 0:
            left = np.concatenate([left, np.sqrt(np.float64(penalty[row])) * np.eye(rank)])
            right = np.concatenate([right, np.zeros(rank)])
        if not (np.isfinite(left).all() and np.isfinite(right).all()):
            solved[row] = np.nan
        elif left.size == 0:
            solved[row] = 0.0
        else:
            solved[row] = np.linalg.lstsq(left, right, rcond=_ROUNDING * max(left.shape))[0]
