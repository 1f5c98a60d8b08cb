"""Models and training summaries of the textbook methods."""

from dataclasses import dataclass

import numpy as np

from spark_mf.textbook.ratings import Matrix, Pairs, Positions, Vector


@dataclass(frozen=True, eq=False)
class Parameters:
    """Parameters of r̂ = μ + b_u + b_i + u·v (Koren, Bell and Volinsky 2009, eq. 4); without biases, μ and b are 0.

    Attributes
    ----------
    U, V : float64[n, k] and float64[m, k]
    userBias, itemBias : float64[n] and float64[m]
    globalMean : float
    """

    U: Matrix
    V: Matrix
    userBias: Vector
    itemBias: Vector
    globalMean: float

    @classmethod
    def without_biases(cls, U: Matrix, V: Matrix) -> "Parameters":
        """Return the parameters of r̂ = u·v."""
        return cls(U, V, np.zeros(len(U)), np.zeros(len(V)), 0.0)

    def predict(self, users: Positions, items: Positions) -> Vector:
        """Return r̂ of each pair of positions as float64[N]."""
        products = (self.U[users] * self.V[items]).sum(axis=1)
        return self.globalMean + self.userBias[users] + self.itemBias[items] + products


@dataclass(frozen=True)
class Record:
    """History of one iteration, which is two half-steps of ALS, one step of GD, or one epoch of SGD."""

    iteration: int
    """Number of the iteration, from 1."""
    seconds: float
    """Wall-clock seconds of this iteration alone."""
    objective: float
    """Objective after the iteration, in the convention of `regularization`."""
    train_rmse: float | None
    """RMSE of unclipped predictions of the training ratings after the iteration; None for implicit feedback.
    (`spark_mf.SGD` reports the running RMSE, from the error of each rating just before its update.)"""
    validation_rmse: float | None
    """RMSE of the validation ratings, with predictions clipped to `Model.clip`; None without validation ratings and for
    implicit feedback."""
    product_change: float
    """‖U Vᵀ − U₀ V₀ᵀ‖_F, the change of all products u·v in the iteration, in units of the ratings."""
    validation_recall: float | None = None
    """Recall of `spark_mf.textbook.implicit.validation_recall`; None for explicit ratings."""


@dataclass(frozen=True)
class Summary:
    """Training summary of a fit."""

    history: tuple[Record, ...]
    stoppedEarly: bool
    """Whether a stopping criterion ended the fit before maxIter."""
    bestIteration: int | None
    """Iteration with the parameters of the model, from 1; None for the last."""

    @property
    def totalIterations(self) -> int:
        """Number of iterations of the fit."""
        return len(self.history)


@dataclass(frozen=True, eq=False)
class Model(Parameters):
    """Fitted parameters, training summary, and the range of predictions."""

    summary: Summary
    clip: tuple[float, float] | None
    """Lowest and highest prediction; None for unclipped predictions."""

    def predict(self, users: Positions, items: Positions) -> Vector:
        """Return r̂ of each pair of positions as float64[N], clipped to `clip`."""
        predictions = super().predict(users, items)
        return predictions if self.clip is None else predictions.clip(*self.clip)


def rmse(parameters: Parameters, pairs: Pairs, clip: tuple[float, float] | None = None) -> float:
    """Return the root mean squared error of predictions of ratings, clipped to `clip` if it is given."""
    predictions = parameters.predict(pairs.users, pairs.items)
    if clip is not None:
        predictions = predictions.clip(*clip)
    return float(np.sqrt(np.mean((pairs.values - predictions) ** 2)))
