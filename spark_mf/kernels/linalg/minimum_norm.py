"""Rows whose normal equations float32 cannot solve: minimum-norm least squares in float64."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

#: Factors are float32 numbers: singular values below this fraction of the largest are rounding, times the size.
_ROUNDING = float(np.finfo(np.float32).eps)


def solve_minimum_norm(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    targets: NDArray[np.float32],
    weights: NDArray[np.float32] | None,
    fixed: NDArray[np.float32],
    shared: NDArray[np.float32] | None,
    penalty: NDArray[np.float32],
    scale: NDArray[np.float32] | None,
    prior: NDArray[np.float32] | None,
    solved: NDArray[np.float32],
    rows: NDArray[np.integer],
    nonnegative: bool = False,
) -> None:
    """Write the shortest minimiser of a row's objective to `solved[rows]`, or with `nonnegative` one that is >= 0.

    The arguments are those of `kernels.linalg.least_squares`. With a penalty of 0 and fewer independent ratings
    than factors there are many minimisers; the shortest is pinv(X) r (Golub and Van Loan, "Matrix computations", 4th
    ed., §5.5). A row without ratings and without prior gets zeros. Every other term of the objective enters as more
    equations, so that X is never squared: √w·x·u = target/√w for a rating, √λ·u = prior/√λ for the penalty, and a
    square root of `shared` with a right-hand side of 0. A prior counts where the penalty is above 0 only.
    """
    rank = fixed.shape[1]
    root = None if shared is None else _square_root(shared[:rank, :rank])
    for row in rows:
        left, right = _equations(indptr, indices, targets, weights, fixed, root, penalty, scale, prior, row)
        if not (np.isfinite(left).all() and np.isfinite(right).all()):
            solved[row] = np.nan
        elif left.size == 0:
            solved[row] = 0.0
        elif nonnegative:
            solved[row] = nnls(left, right)[0]
        else:
            solved[row] = np.linalg.lstsq(left, right, rcond=_ROUNDING * max(left.shape))[0]


def _equations(  # type: ignore[no-untyped-def]
    indptr, indices, targets, weights, fixed, root, penalty, scale, prior, row
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the equations left·u = right, whose least-squares solutions minimise the objective of a row."""
    rank = fixed.shape[1]
    ratings = slice(indptr[row], indptr[row + 1])
    left = fixed[indices[ratings]].astype(np.float64)
    right = targets[ratings].astype(np.float64)
    if weights is not None:
        w = np.sqrt(weights[ratings].astype(np.float64))
        left, right = w[:, None] * left, np.divide(right, w, out=np.zeros_like(w), where=w > 0)
    if penalty[row] > 0:
        diagonal = np.full(rank, np.float64(penalty[row])) if scale is None else penalty[row] * scale.astype(float)
        lengths = np.sqrt(diagonal)
        offset = np.zeros(rank)
        if prior is not None:
            np.divide(prior[row], lengths, out=offset, where=lengths > 0)
        left, right = np.concatenate([left, np.diag(lengths)]), np.concatenate([right, offset])
    if root is not None:
        left, right = np.concatenate([left, root]), np.concatenate([right, np.zeros(len(root))])
    return left, right


def _square_root(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return S with SᵀS = matrix, for a symmetric positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix.astype(np.float64))
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
