"""What the engines of ALS have in common: the factors they improve, and what an iteration leaves behind."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_mf.engine.half_step import Subproblem

Factors = NDArray[np.float32]


@dataclass
class State:
    """Both sides' factors, in the order of their dense indices: float32[n_users, rank], float32[n_items, rank]."""

    users: Factors
    items: Factors


@dataclass(frozen=True)
class Iteration:
    """What one iteration left behind: wall-clock seconds, and sums over all blocks after it."""

    seconds: float
    squared_error: float
    validation_squared_error: float
    penalties: float
    """Σ penalty·‖x‖² over the rows of both sides, the factors that `squared_error` belongs to."""

    def require_finite(self, number: int, problem: Subproblem) -> None:
        """Raise an ArithmeticError when a factor is not finite, and with it the sum of their squares."""
        if not math.isfinite(self.penalties):
            raise ArithmeticError(
                f"iteration {number} gave factors that are not finite with regParam={problem.regParam}: "
                "use a larger regParam, or scale very large ratings down"
            )
