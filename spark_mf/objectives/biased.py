"""The objective of explicit ratings with a global mean and biases."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_mf.blocks.csr import RatingBlock
from spark_mf.kernels.residuals import subtract_offsets
from spark_mf.objectives.base import SideSums
from spark_mf.objectives.explicit import ExplicitObjective, SquaredLoss
from spark_mf.objectives.regularization import Regularization, SideName
from spark_mf.solvers.base import Factors, Losses, RowProblem


@dataclass(frozen=True, slots=True)
class BiasedObjective:
    """Σ weight·(r − μ − b_u − b_i − u·v)² over the observed ratings Ω, plus regularization of factors and biases.

    Rows hold factors and bias, [u, b_u] and [v, b_i]. With the items fixed, the row of a user is the solution of the
    ridge regression of r − μ − b_i on [v, 1], and likewise for items (Koren, Bell and Volinsky 2009, "Matrix
    factorization techniques for recommender systems", eq. 5). Factors and biases are penalized by diag(λ, …, λ, λ_b),
    with row weights of the same kind.

    Attributes
    ----------
    regularization : Regularization
        That of the factors.
    bias_reg_param : float
        λ_b ≥ 0.
    mean : float
        μ.
    n_validation : float
        Number of validation ratings of known users and items, or the sum of their weights.
    fixed_offsets, measured_offsets : float32[n], optional
        μ plus the biases of the rows `fixed` and `measured`; `begin` sets them.
    """

    regularization: Regularization
    bias_reg_param: float
    mean: float
    n_validation: float = 0
    fixed_offsets: NDArray[np.float32] | None = None
    measured_offsets: NDArray[np.float32] | None = None

    def begin(self, fixed: Factors, measured: Factors | None) -> tuple["BiasedObjective", Factors, Factors | None]:
        """Return the objective of a half-step, and the rows [v, b_i] of both arguments as [v, 1]."""
        regressors, offsets = self._split(fixed)
        if measured is None:
            return replace(self, fixed_offsets=offsets), regressors, None
        measured_regressors, measured_offsets = (regressors, offsets) if measured is fixed else self._split(measured)
        objective = replace(self, fixed_offsets=offsets, measured_offsets=measured_offsets)
        return objective, regressors, measured_regressors

    def product_rows(self, rows: Factors, side: SideName) -> Factors:
        """Return [u, b_u, 1] for users and [v, 1, b_i] for items, whose products are r̂ − μ."""
        return np.insert(rows, rows.shape[1] - (side == "item"), 1, axis=1)

    def problem(self, ratings: RatingBlock, fixed: Factors, sums: Any, side: SideName) -> RowProblem:
        """Return the ridge regression problem of a block's rows, with the factors [v, 1] of the other side."""
        problem = self._explicit().problem(_residuals(ratings, self.fixed_offsets), fixed, sums, side)
        return replace(problem, scale=self._scale(side, fixed.shape[1]))

    def side_sums(self, factors: Factors) -> SideSums | None:
        """Return None, as the explicit objective does."""
        return self._explicit().side_sums(factors)

    def penalty_loss(self, problem: RowProblem, solved: Factors) -> SquaredLoss:
        """Return the penalty of the rows of a solved problem."""
        return self._explicit().penalty_loss(problem, solved)

    def loss(
        self,
        problem: RowProblem,
        training: RatingBlock,
        validation: RatingBlock,
        solved: Factors,
        measured: Factors,
        n_threads: int,
        losses: Losses | None = None,
    ) -> SquaredLoss:
        """Return the loss of the rows of a solved block, as `ExplicitObjective.loss` of the residuals r − μ − b_i."""
        training, validation = (_residuals(ratings, self.measured_offsets) for ratings in (training, validation))
        return self._explicit().loss(problem, training, validation, solved, measured, n_threads, losses)

    def metrics(self, loss: SquaredLoss) -> dict[str, float | None]:
        """Return the objective, the training RMSE and the validation RMSE, None without validation ratings."""
        return self._explicit().metrics(loss)

    def _split(self, rows: Factors) -> tuple[Factors, NDArray[np.float32]]:
        """Return [v, 1] and μ + b_i of the rows [v, b_i]."""
        regressors = rows.copy()
        regressors[:, -1] = 1
        return regressors, rows[:, -1] + np.float32(self.mean)

    def _explicit(self) -> ExplicitObjective:
        """Return the objective of the residuals, in which the larger of λ and λ_b penalizes the rows of each side."""
        largest = replace(
            self.regularization,
            userRegParam=max(self.regularization.userRegParam, self.bias_reg_param),
            itemRegParam=max(self.regularization.itemRegParam, self.bias_reg_param),
        )
        return ExplicitObjective(largest, self.n_validation)

    def _scale(self, side: SideName, width: int) -> NDArray[np.float32] | None:
        """Return λ for factors and λ_b for the bias, relative to the larger of both; None if they are equal."""
        factors, bias = self.regularization.reg_param(side), self.bias_reg_param
        if factors == bias:
            return None
        scale = np.full(width, factors / max(factors, bias), np.float32)
        scale[-1] = bias / max(factors, bias)
        return scale


def _residuals(ratings: RatingBlock, offsets: NDArray[np.float32] | None) -> RatingBlock:
    """Return the ratings without what their columns alone predict."""
    assert offsets is not None, "begin() comes first"
    return replace(ratings, values=subtract_offsets(ratings.values, ratings.indices, offsets))
