"""`spark_mf.kernels.linalg.least_squares` in plain NumPy and float64: the same signatures, a row at a time."""

import numpy as np


def _row(indptr, indices, values, weights, fixed, row):  # type: ignore[no-untyped-def]
    """Return the row's X, its values and its weights in float64."""
    ratings = slice(indptr[row], indptr[row + 1])
    w = np.ones(indptr[row + 1] - indptr[row]) if weights is None else weights[ratings].astype(np.float64)
    return fixed[indices[ratings]].astype(np.float64), values[ratings].astype(np.float64), w


def normal_equations(indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, row):  # type: ignore[no-untyped-def]
    """Return A = Xᵀ diag(w) X + shared + penalty·diag(scale) and b = Xᵀ targets + prior of one row."""
    x, t, w = _row(indptr, indices, targets, weights, fixed, row)
    rank = fixed.shape[1]
    matrix = x.T @ (w[:, None] * x) + penalty[row] * np.diag(np.ones(rank) if scale is None else scale)
    if shared is not None:
        matrix = matrix + shared[:rank, :rank]
    return matrix, x.T @ t + (0.0 if prior is None else prior[row])


def row_loss(matrix, right, penalty, scale, u):  # type: ignore[no-untyped-def]
    """Return uᵀA u − 2bᵀu without the penalty of the row."""
    return u @ matrix @ u - 2 * right @ u - penalty * (u**2 if scale is None else scale * u**2).sum()


def solve_cholesky(  # type: ignore[no-untyped-def]
    indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, solved, failed, begin, end, losses=None
):
    """Solve A u = b for each row; a matrix that is not positive definite fails."""
    for row in range(begin, end):
        matrix, right = normal_equations(indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, row)
        try:
            factor = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            failed[row] = 1
            continue
        solved[row] = np.linalg.solve(factor.T, np.linalg.solve(factor, right))
        if losses is not None:
            losses[row] = row_loss(matrix, right, penalty[row], scale, solved[row].astype(np.float64))


def descend(  # type: ignore[no-untyped-def]
    indptr,
    indices,
    targets,
    weights,
    fixed,
    shared,
    penalty,
    scale,
    prior,
    solved,
    steps,
    tolerance,
    conjugate,
    begin,
    end,
    losses=None,
):
    """Conjugate gradients on A u = b (Golub and Van Loan, 4th ed., algorithm 11.3.3), or without `conjugate` steepest
    descent: steps along the residual g = b − A u of the length gᵀg / gᵀA g that minimises the objective on this line
    (Cauchy 1847; Golub and Van Loan, §11.3.1)."""
    for row in range(begin, end):
        matrix, right = normal_equations(indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, row)
        u = solved[row].astype(np.float64)
        residual = right - matrix @ u
        direction = residual
        enough = tolerance * np.linalg.norm(residual)
        for _ in range(steps):
            curvature = direction @ matrix @ direction
            if np.linalg.norm(residual) <= enough or not curvature > 0:
                break
            length = residual @ residual / curvature
            u = u + length * direction
            following = residual - length * (matrix @ direction)
            ratio = (following @ following) / (residual @ residual) if conjugate else 0.0
            direction = following + ratio * direction
            residual = following
        solved[row] = u
        if losses is not None:
            losses[row] = row_loss(matrix, right, penalty[row], scale, u)


def gradient_step(indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, solved, length, begin, end):  # type: ignore[no-untyped-def]
    """Move each row by −length times the gradient of uᵀA u − 2 bᵀu."""
    for row in range(begin, end):
        matrix, right = normal_equations(indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, row)
        u = solved[row].astype(np.float64)
        solved[row] = u - length * 2 * (matrix @ u - right)


def squared_error(indptr, indices, values, weights, fixed, solved, begin, end):  # type: ignore[no-untyped-def]
    """Return Σ w (value − x·u)² over the rows."""
    total = 0.0
    for row in range(begin, end):
        x, r, w = _row(indptr, indices, values, weights, fixed, row)
        errors = r - x @ solved[row].astype(np.float64)
        total += w @ (errors * errors)
    return total


def weighted_products(indptr, indices, targets, weights, fixed, solved, begin, end):  # type: ignore[no-untyped-def]
    """Return Σ (w s² − 2 target·s) with s = x·u over the rows."""
    total = 0.0
    for row in range(begin, end):
        x, t, w = _row(indptr, indices, targets, weights, fixed, row)
        scores = x @ solved[row].astype(np.float64)
        total += w @ (scores * scores) - 2 * t @ scores
    return total
