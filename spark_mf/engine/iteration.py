"""What the engines of half-steps have in common: the factors they improve, and what an iteration leaves behind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_mf.engine.half_step import Factors, SolvedBlock, Subproblem
from spark_mf.kernels.product_change import product_change

_FLOAT64_BYTES = 8
# Of what `block_sums` returns: squared error, validation squared error, penalties, seconds.
_SCALARS = 4


@dataclass
class State:
    """Both sides' factors, in the order of their dense indices: float32[n_users, rank], float32[n_items, rank]."""

    users: Factors
    items: Factors


@dataclass(frozen=True)
class Iteration:
    """What one iteration left behind: its number from 1, wall-clock seconds, and sums over all blocks after it."""

    number: int
    seconds: float
    squared_error: float
    validation_squared_error: float
    penalties: float
    """Σ penalty·‖x‖² over the rows of both sides, the factors that `squared_error` belongs to."""
    product_change: float | None
    """‖U Vᵀ − U₀ V₀ᵀ‖_F, by how much the iteration moved the predictions of all pairs; None where tol is 0."""
    kernel_seconds: float
    """Of all blocks' half-steps together."""

    @property
    def is_finite(self) -> bool:
        """Whether all factors are, and with them the sums of their squares."""
        return math.isfinite(self.penalties) and math.isfinite(self.squared_error)

    def is_last(self, problem: Subproblem) -> bool:
        """Whether none follows, however many were asked for: factors hardly move, or are not finite any more."""
        return not self.is_finite or has_converged(self.product_change, problem.tol)


def has_converged(change: float | None, tol: float) -> bool:
    """Whether an iteration moved the product by less than `tol`."""
    return change is not None and change < tol


def block_sums(users: list[SolvedBlock], items: list[SolvedBlock], problem: Subproblem) -> NDArray[np.float64]:
    """Return what an iteration's blocks add to its sums; those of several members add up.

    Returns
    -------
    float64[4] or float64[4 + 8·rank²]
        Squared error, validation squared error, penalties, seconds, and with tol both sides' `change_gram`.
    """
    width = 2 * problem.rank
    scalars = np.zeros(_SCALARS)
    for block in users:
        scalars += block.squared_error, block.validation_squared_error, block.penalties, block.seconds
    for block in items:
        scalars[2:] += block.penalties, block.seconds
    if not problem.tol > 0:
        return scalars
    grams = np.zeros((2, width, width))
    for gram, side in zip(grams, (users, items), strict=True):
        gram += sum(block.change for block in side if block.change is not None)
    return np.concatenate([scalars, grams.reshape(-1)])


def block_sums_bytes(problem: Subproblem) -> int:
    """Bytes of `block_sums`."""
    return (_SCALARS + (8 * problem.rank**2 if problem.tol > 0 else 0)) * _FLOAT64_BYTES


def summed(number: int, seconds: float, parts: Sequence[NDArray[np.float64]], problem: Subproblem) -> Iteration:
    """Return an iteration from the `block_sums` of each member, which all of them add up in the same order."""
    total = sum(parts[1:], start=parts[0])
    change = None
    if problem.tol > 0:
        width = 2 * problem.rank
        change = product_change(*total[_SCALARS:].reshape(2, width, width))
    squared_error, validation_squared_error, penalties, kernel_seconds = total[:_SCALARS].tolist()
    return Iteration(number, seconds, squared_error, validation_squared_error, penalties, change, kernel_seconds)
