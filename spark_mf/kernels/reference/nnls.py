"""`spark_mf.kernels.linalg.nnls` in plain NumPy and float64."""

import numpy as np
from scipy.optimize import nnls

from spark_mf.kernels.reference.least_squares import normal_equations, row_loss


def solve_nnls(  # type: ignore[no-untyped-def]
    indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, solved, failed, begin, end, losses=None
):
    """Minimise uᵀA u − 2 bᵀu = ‖Lᵀu − L⁻¹b‖² + constant, A = L Lᵀ, subject to u ≥ 0 (Lawson and Hanson 1974)."""
    for row in range(begin, end):
        matrix, right = normal_equations(indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, row)
        try:
            factor = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            failed[row] = 1
            continue
        solved[row] = nnls(factor.T, np.linalg.solve(factor, right))[0]
        if losses is not None:
            losses[row] = row_loss(matrix, right, penalty[row], scale, solved[row].astype(np.float64))
