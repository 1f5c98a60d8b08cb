"""The half-step of blocks in which every pair is observed: one system of equations for all rows."""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.linalg.gram import gram_matrix


def columns_if_fully_observed(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], n_columns: int
) -> NDArray[np.int32] | None:
    """Return the column of each rating, int32[rows, n_columns], or None unless each row has every column once."""
    n_rows = indptr.size - 1
    if indices.size != n_rows * n_columns or indices.size == 0 or (np.diff(indptr) != n_columns).any():
        return None
    columns = indices.reshape(n_rows, n_columns)
    return columns if (np.sort(columns, axis=1) == np.arange(n_columns)).all() else None


def solve_fully_observed(
    columns: NDArray[np.int32], targets: NDArray[np.float32], fixed: NDArray[np.float32], penalty: float
) -> NDArray[np.float64]:
    """Return the solution of all rows, R F (FᵀF + penalty·I)⁻¹, float64[rows, width].

    The matrix of the normal equations is the same for all rows (Koren, Bell and Volinsky 2009, "Matrix factorization
    techniques for recommender systems").

    Parameters
    ----------
    columns : int32[rows, n]
        The result of `columns_if_fully_observed`.
    targets : float32[rows·n]
    fixed : float32[n, width]
    penalty : float
        Penalty of each row, > 0.
    """
    ratings = np.empty(columns.shape, np.float32)
    np.put_along_axis(ratings, columns, targets.reshape(columns.shape), axis=1)
    matrix = gram_matrix(fixed) + penalty * np.eye(fixed.shape[1])
    right = (ratings @ fixed).astype(np.float64)
    return np.asarray(np.linalg.solve(matrix, right.T).T, np.float64)
