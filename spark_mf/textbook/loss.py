"""Objective of a factorization, its gradient, and a gradient check by central differences.

The model is r̂ = μ + b_u + b_i + u·v, with errors e = r − r̂ over the observed pairs Ω; n_u and n_i are the numbers of
ratings of a user and of an item. `regularization` determines the weights of the penalty:

=========== ========================================================== ============================================
"plain"     Σ e² + λ(‖U‖² + ‖V‖²)                                      sum convention; Koren, Bell and Volinsky 2009,
                                                                       "Matrix factorization techniques for
                                                                       recommender systems", eq. 2
"weighted"  Σ e² + λ(Σ n_u‖u‖² + Σ n_i‖v‖²)                            Zhou, Wilkinson, Schreiber and Pan 2008,
                                                                       "Large-scale parallel collaborative filtering
                                                                       for the Netflix prize", eq. 3
"mean"      (1/|Ω|) Σ e² + λ(‖U‖² + ‖V‖²)                              mean convention
"frequency" Σ e² + λ(Σ n_u^ν‖u‖² + Σ n_i^ν‖v‖²)                        Rendle, Krichene, Zhang and Koren 2022,
                                                                       "Revisiting the performance of iALS on item
                                                                       recommendation benchmarks", eq. 9
=========== ========================================================== ============================================

`userRegParam` and `itemRegParam` replace λ of one side, for example λ_w(Σ ‖u‖²) + λ_z(Σ ‖v‖²) with "plain". ν is
`regExponent`; "frequency" is "plain" with ν = 0 and "weighted" with ν = 1.

Biases add λ_b(Σ b_u² + Σ b_i²) in the same way (Koren, Bell and Volinsky 2009, eq. 4 and 5). The sum form of all
objectives is Σ e² + Σ w_r‖row_r‖² with a weight for each row; "mean" divides it by |Ω|. Shapes: R float64[n, m],
observed bool[n, m], U float64[n, k], V float64[m, k], biases float64[n] and float64[m].
`spark_mf.textbook.implicit` has the objectives of implicit feedback.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spark_mf.textbook.model import Parameters
from spark_mf.textbook.ratings import Mask, Matrix, Positions, Ratings, Vector

REGULARIZATIONS = ("weighted", "plain", "mean", "frequency")


def row_penalties(
    counts: Positions,
    regParam: float,
    regularization: str,
    regExponent: float | None = None,
    n_ratings: int | None = None,
    unobserved: float = 0.0,
) -> Vector:
    """Return the weights w of the squared norms of one side in the sum form, as float64[rows].

    Parameters
    ----------
    counts : int64[rows]
        Number of ratings of each row.
    regParam : float
        λ.
    regularization : {"plain", "weighted", "mean", "frequency"}
        "plain": w = λ; "weighted": w = λ·n_row; "mean": w = λ·|Ω|; "frequency": w = λ·(n_row + unobserved)^ν.
    regExponent : float, optional
        ν; by default 1.
    n_ratings : int, optional
        |Ω|; by default the sum of `counts`.
    unobserved : float
        What the pairs without ratings add to n_row with implicit feedback; see `spark_mf.textbook.implicit`.
    """
    if regularization == "weighted":
        return regParam * counts
    if regularization == "mean":
        return np.full(len(counts), regParam * (counts.sum() if n_ratings is None else n_ratings))
    if regularization == "frequency":
        return regParam * (counts + unobserved) ** (1.0 if regExponent is None else regExponent)
    return np.full(len(counts), regParam)


def loss(
    R: Matrix,
    observed: Mask,
    U: Matrix,
    V: Matrix,
    regParam: float,
    regularization: str = "plain",
    userBias: Vector | None = None,
    itemBias: Vector | None = None,
    globalMean: float = 0.0,
    biasRegParam: float | None = None,
    *,
    userRegParam: float | None = None,
    itemRegParam: float | None = None,
    regExponent: float | None = None,
) -> float:
    """Return the objective in the table of this module.

    Parameters
    ----------
    userBias, itemBias : float64[n] and float64[m], optional
        Both or neither.
    biasRegParam, userRegParam, itemRegParam : float, optional
        λ_b, and λ of U and of V; by default regParam.
    regExponent : float, optional
        ν of "frequency"; by default 1.
    """
    E = errors(R, observed, U, V, userBias, itemBias, globalMean)
    b_u = np.zeros(len(U)) if userBias is None else userBias
    b_i = np.zeros(len(V)) if itemBias is None else itemBias
    lambdas = _Lambdas.of(regParam, userRegParam, itemRegParam, biasRegParam)
    penalties = _Penalties.of(observed.sum(axis=1), observed.sum(axis=0), lambdas, regularization, regExponent)
    total = float((E**2).sum()) + penalties.total(Parameters(U, V, b_u, b_i, globalMean))
    return total / _divisor(int(observed.sum()), regularization)


def objective(
    ratings: Ratings,
    parameters: Parameters,
    regParam: float,
    regularization: str,
    biasRegParam: float | None = None,
    *,
    userRegParam: float | None = None,
    itemRegParam: float | None = None,
    regExponent: float | None = None,
) -> float:
    """Return the same objective as `loss`, for ratings as pairs, which may be repeated."""
    e = ratings.values - parameters.predict(ratings.users, ratings.items)
    lambdas = _Lambdas.of(regParam, userRegParam, itemRegParam, biasRegParam)
    penalties = _Penalties.of(ratings.user_counts, ratings.item_counts, lambdas, regularization, regExponent)
    return (float(e @ e) + penalties.total(parameters)) / _divisor(len(ratings), regularization)


class _Lambdas(NamedTuple):
    """λ of U, of V and of the biases."""

    user: float
    item: float
    bias: float

    @classmethod
    def of(
        cls, regParam: float, userRegParam: float | None, itemRegParam: float | None, biasRegParam: float | None
    ) -> "_Lambdas":
        return cls(*(regParam if own is None else own for own in (userRegParam, itemRegParam, biasRegParam)))


class _Penalties(NamedTuple):
    """Weights w of the squares in the sum form: those of the rows of U and V, and of the biases."""

    U: Vector
    V: Vector
    userBias: Vector
    itemBias: Vector

    @classmethod
    def of(
        cls, n_u: Positions, n_i: Positions, lambdas: _Lambdas, regularization: str, regExponent: float | None
    ) -> "_Penalties":
        blocks = (n_u, lambdas.user), (n_i, lambdas.item), (n_u, lambdas.bias), (n_i, lambdas.bias)
        return cls(*(row_penalties(counts, lam, regularization, regExponent) for counts, lam in blocks))

    def total(self, parameters: Parameters) -> float:
        """Return Σ w_u‖u‖² + Σ w_i‖v‖² + the same of the biases."""
        factors = self.U @ (parameters.U**2).sum(axis=1) + self.V @ (parameters.V**2).sum(axis=1)
        return float(factors + self.userBias @ parameters.userBias**2 + self.itemBias @ parameters.itemBias**2)


def _divisor(n_ratings: int, regularization: str) -> int:
    return n_ratings if regularization == "mean" else 1


def errors(
    R: Matrix,
    observed: Mask,
    U: Matrix,
    V: Matrix,
    userBias: Vector | None = None,
    itemBias: Vector | None = None,
    globalMean: float = 0.0,
) -> Matrix:
    """Return E as float64[n, m]: r − r̂ for observed pairs, and 0 for all others."""
    predictions = globalMean + U @ V.T
    if userBias is not None and itemBias is not None:
        predictions = predictions + userBias[:, None] + itemBias[None, :]
    return np.where(observed, R - predictions, 0.0)


def gradient(
    R: Matrix,
    observed: Mask,
    U: Matrix,
    V: Matrix,
    regParam: float,
    regularization: str = "plain",
    userBias: Vector | None = None,
    itemBias: Vector | None = None,
    globalMean: float = 0.0,
    biasRegParam: float | None = None,
    *,
    userRegParam: float | None = None,
    itemRegParam: float | None = None,
    regExponent: float | None = None,
) -> tuple[Matrix, ...]:
    """Return the gradient of `loss`: (∂U, ∂V), or (∂U, ∂V, ∂b_u, ∂b_i) with biases.

    In the sum form, ∂U = −2 E V + 2 w_U U, ∂V = −2 Eᵀ U + 2 w_V V, ∂b_u = −2 Σ_i e + 2 w_b b_u.
    """
    E = errors(R, observed, U, V, userBias, itemBias, globalMean)
    lambdas = _Lambdas.of(regParam, userRegParam, itemRegParam, biasRegParam)
    w = _Penalties.of(observed.sum(axis=1), observed.sum(axis=0), lambdas, regularization, regExponent)
    gradients = [-2 * E @ V + 2 * w.U[:, None] * U, -2 * E.T @ U + 2 * w.V[:, None] * V]
    if userBias is not None and itemBias is not None:
        gradients += [-2 * E.sum(axis=1) + 2 * w.userBias * userBias, -2 * E.sum(axis=0) + 2 * w.itemBias * itemBias]
    return tuple(g / _divisor(int(observed.sum()), regularization) for g in gradients)


@dataclass(frozen=True, eq=False)
class GradientCheck:
    """Comparison of a gradient with central differences, as tuples with one array for each parameter.

    Attributes
    ----------
    analytic, numeric : tuple of arrays
        The given gradient, and (L(x + h) − L(x − h)) / 2h for each entry x.
    relative_error : tuple of arrays
        |analytic − numeric| / (|analytic| + |numeric|), or 0 if both are 0.
    max_relative_error : float
    """

    analytic: tuple[Matrix, ...]
    numeric: tuple[Matrix, ...]

    @property
    def relative_error(self) -> tuple[Matrix, ...]:
        tiny = np.finfo(float).tiny
        return tuple(
            abs(a - b) / np.maximum(abs(a) + abs(b), tiny) for a, b in zip(self.analytic, self.numeric, strict=True)
        )

    @property
    def max_relative_error(self) -> float:
        return max(float(error.max(initial=0)) for error in self.relative_error)


def gradient_check(
    loss: Callable[..., float],
    gradient: Callable[..., Sequence[Matrix]],
    parameters: Sequence[Matrix],
    step: float = 1e-5,
) -> GradientCheck:
    """Compare a gradient with central differences, which have an error of order step².

    Parameters
    ----------
    loss : callable
        Called as loss(*parameters).
    gradient : callable
        Called as gradient(*parameters); returns an array for each parameter.
    parameters : Sequence of float64 arrays
        Not changed.
    step : float
        Difference of an entry, h.
    """
    numeric = []
    for position, parameter in enumerate(parameters):
        differences = np.zeros_like(parameter)
        for entry in np.ndindex(parameter.shape):
            moved = [other.copy() for other in parameters]
            moved[position][entry] = parameter[entry] + step
            above = loss(*moved)
            moved[position][entry] = parameter[entry] - step
            below = loss(*moved)
            differences[entry] = (above - below) / (2 * step)
        numeric.append(differences)
    return GradientCheck(tuple(gradient(*parameters)), tuple(numeric))
