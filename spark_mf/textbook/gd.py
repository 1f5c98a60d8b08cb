"""Gradient descent on all parameters at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spark_mf.textbook.checks import require_above_zero
from spark_mf.textbook.estimator import Estimator
from spark_mf.textbook.loss import gradient
from spark_mf.textbook.model import Parameters
from spark_mf.textbook.ratings import Ratings


@dataclass(frozen=True, kw_only=True)
class GD(Estimator):
    """Gradient descent, the reference implementation of `spark_mf.GD`.

    Each iteration takes one step along the negative full gradient, for U and V simultaneously:

        U ← U − (stepSize/|Ω|)·∂U        ∂U = −2 E V + 2 w_U U
        V ← V − (stepSize/|Ω|)·∂V        ∂V = −2 Eᵀ U + 2 w_V V

    with the errors E and the weights w (λ, λ·n_row, λ·|Ω| or λ·n_row^ν) of `spark_mf.textbook.loss`. Repeated pairs are
    an error.

    Parameters
    ----------
    stepSize : float
        Factor of the gradient of the mean form.
    """

    maxIter: int = 100
    regParam: float = 0.05
    stepSize: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_above_zero("stepSize", self.stepSize)

    def iterates(self, ratings: Ratings, start: Parameters, rng: np.random.Generator) -> Iterator[Parameters]:
        """Yield the parameters after each step."""
        R, observed = ratings.matrix, ratings.observed
        # The gradient of "mean" is already divided by |Ω|.
        step = self.stepSize / (1 if self.regularization == "mean" else len(ratings))
        U, V = start.U, start.V
        while True:
            dU, dV = gradient(R, observed, U, V, self.regParam, self.regularization, **self._own_regularization)
            U, V = U - step * dU, V - step * dV
            yield Parameters.without_biases(U, V)
