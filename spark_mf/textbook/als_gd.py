"""ALS+GD: rows that are solved by some steps of gradient descent in place of a least-squares solution."""

import numpy as np

from spark_mf.textbook.ratings import Mask, Matrix, Vector


def descend_rows(
    R: Matrix,
    observed: Mask,
    fixed: Matrix,
    penalties: Vector,
    start: Matrix,
    steps: int,
    tol: float = 0.0,
    stepSize: float | None = None,
) -> Matrix:
    """Return each row x after gradient descent on ‖F x − r‖² + w·‖x‖², float64[rows, k].

    With A = FᵀF + w·I, half the gradient is g = A x − Fᵀr, and along −g the minimum is at the length ‖g‖²/gᵀA g
    (Cauchy's step; Golub and Van Loan, "Matrix computations", 4th ed., §11.3.1). Rows do not depend on each other.

    Parameters
    ----------
    R, observed : float64 and bool[rows, columns]
    fixed : float64[columns, k], F has those rows of it that are observed
    penalties : float64[rows], w
    start : float64[rows, k]; not changed
    steps : L, the most steps of a row
    tol : a row ends once ‖g‖ ≤ tol·‖g of its first step‖
    stepSize : in place of the exact line search, x ← x − stepSize·(2 g)
    """
    X, w = start.copy(), penalties[:, None]
    smallest = None
    for _ in range(steps):
        G = np.where(observed, X @ fixed.T - R, 0) @ fixed + w * X
        squared = (G**2).sum(axis=1)
        if smallest is None:
            smallest = tol**2 * squared
        if stepSize is None:
            curvature = np.where(observed, (G @ fixed.T) ** 2, 0).sum(axis=1) + penalties * squared
            # Where a gradient is as good as 0 its square may underflow, and there is nowhere to go.
            lengths = np.divide(squared, curvature, out=np.zeros_like(squared), where=curvature > 0)
        else:
            lengths = np.full_like(squared, 2 * stepSize)
        lengths[squared <= smallest] = 0
        X -= lengths[:, None] * G
    return X
