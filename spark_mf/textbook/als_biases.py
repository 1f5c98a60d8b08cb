"""ALS with biases: half-steps for factors and biases together."""

from collections.abc import Callable

import numpy as np

from spark_mf.textbook.model import Parameters
from spark_mf.textbook.ratings import Mask, Matrix, Vector

HalfStep = Callable[[Matrix, Mask, Matrix, Matrix, Matrix], Matrix]


def biased_half_step(
    half_step: HalfStep,
    globalMean: float,
    R: Matrix,
    observed: Mask,
    fixed: Matrix,
    penalties: Matrix,
    old: Matrix,
) -> Matrix:
    """Return the new rows [u, b_u] of one side, for fixed rows [v, b_i] of the other.

    In r̂ = μ + b_u + b_i + u·v = μ + b_i + [v, 1]·[u, b_u], only the last product depends on the row of the user. The
    row is therefore the solution of the ridge regression of r − μ − b_i on [v, 1] (Koren, Bell and Volinsky 2009,
    "Matrix factorization techniques for recommender systems", eq. 5, for alternating least squares).

    Parameters
    ----------
    half_step : callable
        The half-step of ALS without biases.
    globalMean : float
        μ.
    R, observed : float64[rows, columns] and bool[rows, columns]
    fixed : float64[columns, k + 1]
    penalties : float64[rows, k + 1]
        Weight of the square of each factor and of the bias.
    old : float64[rows, k + 1]
        Not changed.
    """
    regressors = np.column_stack([fixed[:, :-1], np.ones(len(fixed))])
    return half_step(R - globalMean - fixed[:, -1], observed, regressors, penalties, old)


def with_biases(factors: Matrix, biases: Vector) -> Matrix:
    """Return the factors of one side with the biases as last column; also the penalties of both."""
    return np.column_stack([factors, biases])


def product_factors(parameters: Parameters) -> tuple[Matrix, Matrix]:
    """Return [u, b_u, 1] and [v, 1, b_i] as rows of two matrices, whose product has all predictions minus μ."""
    n, m = len(parameters.U), len(parameters.V)
    users = np.column_stack([parameters.U, parameters.userBias, np.ones(n)])
    return users, np.column_stack([parameters.V, np.ones(m), parameters.itemBias])
