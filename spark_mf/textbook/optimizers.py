"""Optimizers and step-size schedules.

An optimizer keeps the state of each entry of one array of parameters. `change` takes the gradient g of some rows and
returns the change of these rows; the state of other rows is unchanged.
"""

from typing import Protocol

import numpy as np

from spark_mf.textbook.ratings import Matrix, Positions

OPTIMIZERS = ("sgd", "momentum", "adam")
SCHEDULES = ("constant", "exponential", "inverse")


class Optimizer(Protocol):
    """Interface of the three optimizers."""

    def change(self, g: Matrix, step: float, rows: Positions | slice = slice(None)) -> Matrix:
        """Return the change of the rows.

        Parameters
        ----------
        g : float64[rows, k]
            Gradient of the rows.
        step : float
            Step size of this epoch.
        rows : int64[rows] or slice
            Different rows; by default all.
        """
        ...


class Plain:
    """Plain gradient step, −step·g."""

    def change(self, g: Matrix, step: float, rows: Positions | slice = slice(None)) -> Matrix:
        """Return −step·g."""
        return -step * g


class Momentum:
    """Momentum (heavy ball): velocity ← momentum·velocity − step·g; the change is the velocity.

    Polyak 1964, "Some methods of speeding up the convergence of iteration methods", eq. 9.
    """

    def __init__(self, shape: tuple[int, ...], momentum: float = 0.9) -> None:
        self.momentum = momentum
        self.velocity = np.zeros(shape)

    def change(self, g: Matrix, step: float, rows: Positions | slice = slice(None)) -> Matrix:
        """Return the new velocity."""
        self.velocity[rows] = self.momentum * self.velocity[rows] - step * g
        return self.velocity[rows]


class Adam:
    """Adam: steps of about the same length for each entry, independent of the size of its gradients.

        mean ← β₁·mean + (1 − β₁)·g,  square ← β₂·square + (1 − β₂)·g²,  t ← t + 1
        −step · (mean/(1 − β₁ᵗ)) / (√(square/(1 − β₂ᵗ)) + ε)

    Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1; t counts the updates of a row.
    """

    def __init__(self, shape: tuple[int, ...], beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.mean, self.square, self.t = np.zeros(shape), np.zeros(shape), np.zeros(shape)

    def change(self, g: Matrix, step: float, rows: Positions | slice = slice(None)) -> Matrix:
        """Return the step of algorithm 1."""
        self.t[rows] += 1
        self.mean[rows] = self.beta1 * self.mean[rows] + (1 - self.beta1) * g
        self.square[rows] = self.beta2 * self.square[rows] + (1 - self.beta2) * g**2
        mean = self.mean[rows] / (1 - self.beta1 ** self.t[rows])
        square = self.square[rows] / (1 - self.beta2 ** self.t[rows])
        return -step * mean / (np.sqrt(square) + self.epsilon)


def step_factor(schedule: str, decay: float, epoch: int) -> float:
    """Return the factor of the step size in epoch t = 0, 1, … (learning-rate decay).

    Parameters
    ----------
    schedule : {"constant", "exponential", "inverse"}
        The factor is 1, decayᵗ or 1/(1 + decay·t).
    """
    if schedule == "exponential":
        return decay**epoch
    if schedule == "inverse":
        return 1 / (1 + decay * epoch)
    return 1.0
