"""`spark_mf.kernels.least_squares` in plain NumPy and float64: the same signatures, a row at a time."""

import numpy as np


def _row(indptr, indices, values, fixed, row):  # type: ignore[no-untyped-def]
    """Return the row's X and r in float64."""
    ratings = slice(indptr[row], indptr[row + 1])
    return fixed[indices[ratings]].astype(np.float64), values[ratings].astype(np.float64)


def solve_cholesky(indptr, indices, values, fixed, penalty, solved, failed, begin, end):  # type: ignore[no-untyped-def]
    """Solve (XᵀX + penalty·I) u = Xᵀr for each row; a matrix that is not positive definite fails."""
    identity = np.eye(fixed.shape[1])
    for row in range(begin, end):
        x, r = _row(indptr, indices, values, fixed, row)
        try:
            factor = np.linalg.cholesky(x.T @ x + penalty[row] * identity)
        except np.linalg.LinAlgError:
            failed[row] = 1
            continue
        solved[row] = np.linalg.solve(factor.T, np.linalg.solve(factor, x.T @ r))


def solve_cg(indptr, indices, values, fixed, penalty, solved, steps, tolerance, begin, end):  # type: ignore[no-untyped-def]
    """Conjugate gradients on A u = Xᵀr with A = XᵀX + penalty·I (Golub and Van Loan, 4th ed., algorithm 11.3.3)."""
    for row in range(begin, end):
        x, r = _row(indptr, indices, values, fixed, row)
        matrix = x.T @ x + penalty[row] * np.eye(fixed.shape[1])
        u = solved[row].astype(np.float64)
        residual = x.T @ r - matrix @ u
        direction = residual
        enough = tolerance * np.linalg.norm(residual)
        for _ in range(steps):
            curvature = direction @ matrix @ direction
            if np.linalg.norm(residual) <= enough or not curvature > 0:
                break
            length = residual @ residual / curvature
            u = u + length * direction
            following = residual - length * (matrix @ direction)
            direction = following + (following @ following) / (residual @ residual) * direction
            residual = following
        solved[row] = u


def solve_gd(indptr, indices, values, fixed, penalty, solved, steps, tolerance, begin, end):  # type: ignore[no-untyped-def]
    """Steepest descent on A u = Xᵀr with A = XᵀX + penalty·I: steps along the residual g = Xᵀr − A u, each of the
    length gᵀg / gᵀA g that minimises the objective on this line (Cauchy 1847; Golub and Van Loan, 4th ed., §11.3.1)."""
    for row in range(begin, end):
        x, r = _row(indptr, indices, values, fixed, row)
        matrix = x.T @ x + penalty[row] * np.eye(fixed.shape[1])
        u = solved[row].astype(np.float64)
        residual = x.T @ r - matrix @ u
        enough = tolerance * np.linalg.norm(residual)
        for _ in range(steps):
            curvature = residual @ matrix @ residual
            if np.linalg.norm(residual) <= enough or not curvature > 0:
                break
            u = u + residual @ residual / curvature * residual
            residual = x.T @ r - matrix @ u
        solved[row] = u


def gradient_step(indptr, indices, values, fixed, penalty, solved, length, begin, end):  # type: ignore[no-untyped-def]
    """Move each row by −length times the gradient of ‖r − X u‖² + penalty·‖u‖²."""
    for row in range(begin, end):
        x, r = _row(indptr, indices, values, fixed, row)
        u = solved[row].astype(np.float64)
        solved[row] = u - length * (2 * penalty[row] * u - 2 * x.T @ (r - x @ u))


def squared_error(indptr, indices, values, fixed, solved, begin, end):  # type: ignore[no-untyped-def]
    """Return Σ (r − X u)² over the rows."""
    total = 0.0
    for row in range(begin, end):
        x, r = _row(indptr, indices, values, fixed, row)
        errors = r - x @ solved[row].astype(np.float64)
        total += errors @ errors
    return total
