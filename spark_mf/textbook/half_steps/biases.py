"""ALS with biases: half-steps for the factors and the bias of a row together."""

from collections.abc import Callable

import numpy as np

from spark_mf.textbook.model import Parameters
from spark_mf.textbook.ratings import Mask, Matrix, Vector
from spark_mf.textbook.stopping import product_change

HalfStep = Callable[[Matrix, Mask | Matrix, Matrix, Matrix, Matrix], Matrix]


def biased_half_step(
    half_step: HalfStep, targets: Matrix, weights: Mask | Matrix, fixed: Matrix, penalties: Matrix, old: Matrix
) -> Matrix:
    """Return the new rows [u, b_u] of one side, for fixed rows [v, b_i] of the other.

    In r̂ = μ + b_u + b_i + u·v = μ + b_i + [v, 1]·[u, b_u], the row of a user occurs in the last product only. It is
    therefore the solution of the ridge regression of r − μ − b_i on [v, 1], with the penalty diag(λ, …, λ, λ_b). The
    model is that of Koren, Bell and Volinsky 2009, "Matrix factorization techniques for recommender systems", eq. 5.

    Parameters
    ----------
    half_step : callable
        The half-step of ALS without biases.
    targets, weights : float64[rows, columns] and bool[rows, columns] or float64[rows, columns]
        r − μ, and the weights of all pairs.
    fixed : float64[columns, k + 1]
    penalties : float64[rows, k + 1]
        Weight of the square of each factor and of the bias.
    old : float64[rows, k + 1]
        Not changed.
    """
    regressors = np.column_stack([fixed[:, :-1], np.ones(len(fixed))])
    return half_step(targets - fixed[:, -1], weights, regressors, penalties, old)


def joint_rows(parameters: Parameters) -> tuple[Matrix, Matrix]:
    """Return the rows [u, b_u] of all users and [v, b_i] of all items."""
    users = np.column_stack([parameters.U, parameters.userBias])
    return users, np.column_stack([parameters.V, parameters.itemBias])


def joint_penalties(factors: Vector, biases: Vector, rank: int) -> Matrix:
    """Return the weights of the squares in the rows of one side, float64[rows, rank + 1], from those of each row."""
    return np.column_stack([np.tile(factors[:, None], rank), biases])


def prediction_change(new: Parameters, old: Parameters) -> float:
    """Return the Frobenius norm of the change of all predictions: [u, b_u, 1]·[v, 1, b_i] is r̂ − μ."""
    products = []
    for parameters in (new, old):
        users, items = joint_rows(parameters)
        products += [np.insert(users, users.shape[1], 1, axis=1), np.insert(items, items.shape[1] - 1, 1, axis=1)]
    return product_change(*products)
