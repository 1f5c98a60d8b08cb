"""Models and training summaries of the textbook methods."""

from dataclasses import dataclass

import numpy as np

from spark_mf.textbook.ratings import Matrix, Pairs, Positions, Vector


@dataclass(frozen=True, eq=False)
class Parameters:
    """The parameters of r̂ = μ + b_u + b_i + u·v (Koren, Bell and Volinsky 2009, eq. 4); without biases μ and b are 0.

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
        """Return r̂ of each pair of positions, float64[N]."""
        products = (self.U[users] * self.V[items]).sum(axis=1)
        return self.globalMean + self.userBias[users] + self.itemBias[items] + products


@dataclass(frozen=True)
class Record:
    """One iteration: ALS both half-steps, GD one step, SGD one epoch."""

    iteration: int
    """Counted from 1."""
    seconds: float
    """Wall-clock seconds of this iteration alone."""
    objective: float
    """The minimised objective of the stated `regularization`, after the iteration."""
    train_rmse: float
    """Root mean squared error over the training ratings after the iteration, never clipped. (Spark's SGD has the
    running one, of each rating just before its update.)"""
    validation_rmse: float | None
    """The same over the ratings held out, of predictions clipped where that is asked for; None without such ratings."""
    product_change: float
    """‖U Vᵀ − U₀ V₀ᵀ‖_F, the iteration's change of all predictions' products u·v, in the ratings' unit."""


@dataclass(frozen=True)
class Summary:
    """The course of a fit."""

    history: tuple[Record, ...]
    stoppedEarly: bool
    """Whether the rule of stopping ended the fit, not maxIter."""
    bestIteration: int | None
    """The iteration whose parameters the model has, counted from 1; None for the last."""

    @property
    def totalIterations(self) -> int:
        """Number of iterations that were run."""
        return len(self.history)


@dataclass(frozen=True, eq=False)
class Model(Parameters):
    """Fitted parameters, the course of the fit, and the range of predictions."""

    summary: Summary
    clip: tuple[float, float] | None
    """The lowest and highest prediction; None to take predictions as they are."""

    def predict(self, users: Positions, items: Positions) -> Vector:
        """Return r̂ of each pair of positions, clipped where the model clips, float64[N]."""
        predictions = super().predict(users, items)
        return predictions if self.clip is None else predictions.clip(*self.clip)


def rmse(parameters: Parameters, pairs: Pairs, clip: tuple[float, float] | None = None) -> float:
    """Return the root mean squared error over some ratings, of predictions clipped to `clip` if it is given."""
    predictions = parameters.predict(pairs.users, pairs.items)
    if clip is not None:
        predictions = predictions.clip(*clip)
    return float(np.sqrt(np.mean((pairs.values - predictions) ** 2)))
