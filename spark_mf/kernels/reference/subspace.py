"""`spark_mf.kernels.linalg.subspace` in plain NumPy and float64."""

import numpy as np

from spark_mf.kernels.reference.least_squares import normal_equations


def solve_subspace(  # type: ignore[no-untyped-def]
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
    failed,
    size,
    begin,
    end,
):
    """Take the step u_π += (A_ππ)⁻¹ (b − A u)_π for each block π of `size` coordinates in turn (Rendle et al. 2021)."""
    rank = fixed.shape[1]
    for row in range(begin, end):
        matrix, right = normal_equations(indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, row)
        u = solved[row].astype(np.float64)
        for first in range(0, rank, size):
            block = slice(first, first + size)
            try:
                factor = np.linalg.cholesky(matrix[block, block])
            except np.linalg.LinAlgError:
                failed[row] = 1
                break
            gradient = right[block] - matrix[block] @ u
            u[block] += np.linalg.solve(factor.T, np.linalg.solve(factor, gradient))
        else:
            solved[row] = u
