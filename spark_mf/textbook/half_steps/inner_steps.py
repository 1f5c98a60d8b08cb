"""ALS+GD: half-steps that take steps of gradient descent instead of solving the least-squares problems."""

import numpy as np

from spark_mf.textbook.ratings import Mask, Matrix, Vector


def descend_rows(
    R: Matrix,
    weights: Mask | Matrix,
    fixed: Matrix,
    penalties: Vector | Matrix,
    start: Matrix,
    steps: int,
    tol: float = 0.0,
    stepSize: float | None = None,
) -> Matrix:
    """Return each row x after gradient descent on Σ c (f·x − r)² + w·‖x‖², as float64[rows, k].

    With A = Σ c f fᵀ + w·I, half the gradient is g = A x − Σ c r f, and along −g the minimum is at the length
    ‖g‖²/gᵀA g (Cauchy's step; Golub and Van Loan, "Matrix computations", 4th ed., §11.3.1). The rows are independent.

    Parameters
    ----------
    R : float64[rows, columns]
    weights : bool[rows, columns] or float64[rows, columns]
        The weights c: the mask of the observed pairs, or those of `spark_mf.textbook.implicit.feedback`.
    fixed : float64[columns, k]
        Rows f of the other side.
    penalties : float64[rows] or float64[rows, k]
        The weights w, of all squares of a row or of each.
    start : float64[rows, k]
        Not changed.
    steps : int
        Maximum number of steps, L.
    tol : float
        The steps of a row end once ‖g‖ ≤ tol·‖g of its first step‖.
    stepSize : float, optional
        Step size of x ← x − stepSize·(2 g), which replaces the exact line search.
    """
    X, w = start.copy(), penalties.reshape(len(start), -1)
    smallest = None
    for _ in range(steps):
        G = (weights * (X @ fixed.T - R)) @ fixed + w * X
        squared = (G**2).sum(axis=1)
        if smallest is None:
            smallest = tol**2 * squared
        if stepSize is None:
            curvature = (weights * (G @ fixed.T) ** 2).sum(axis=1) + (w * G**2).sum(axis=1)
            # The square of a gradient close to 0 may underflow; such a row has converged.
            lengths = np.divide(squared, curvature, out=np.zeros_like(squared), where=curvature > 0)
        else:
            lengths = np.full_like(squared, 2 * stepSize)
        lengths[squared <= smallest] = 0
        X -= lengths[:, None] * G
    return X
