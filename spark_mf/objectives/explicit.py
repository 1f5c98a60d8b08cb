"""The objective of explicit ratings: squared errors plus regularization."""

import math
from dataclasses import dataclass
from typing import Any

from spark_mf.blocks.csr import RatingBlock
from spark_mf.kernels.linalg.errors import squared_error, sum_of_products
from spark_mf.kernels.objective import penalty_sum
from spark_mf.objectives.base import FloatSums, ProductObjective, SideSums
from spark_mf.objectives.regularization import Regularization, SideName
from spark_mf.solvers.base import Factors, Losses, RowProblem, in_threads

#: Least share of Σ weight·r² from which Σ weight·e² is computed as a difference of such sums, whose terms are rounded
#: to float32.
SMALLEST_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class SquaredLoss(FloatSums):
    """Sums over some or all rows of a model.

    Attributes
    ----------
    squared_error : float
        Σ weight·e² over training ratings.
    validation_squared_error : float
        Σ weight·e² over validation ratings of known users and items.
    penalty : float
        Σ penalty·‖x‖² over rows of both sides.
    """

    squared_error: float = 0.0
    validation_squared_error: float = 0.0
    penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class ExplicitObjective(ProductObjective):
    """Σ weight·e² over the observed ratings Ω, plus regularization.

    Attributes
    ----------
    regularization : Regularization
    n_validation : float
        Number of validation ratings of known users and items, or the sum of their weights.
    nonnegative : bool
        Whether the factors are constrained to be >= 0.
    """

    regularization: Regularization
    n_validation: float = 0
    nonnegative: bool = False

    def problem(self, ratings: RatingBlock, fixed: Factors, sums: Any, side: SideName) -> RowProblem:
        """Return the ridge regression problem of a block's rows (Zhou et al. 2008, eq. 4)."""
        return RowProblem(
            indptr=ratings.indptr,
            indices=ratings.indices,
            targets=ratings.values if ratings.weights is None else ratings.weights * ratings.values,
            weights=ratings.weights,
            fixed=fixed,
            penalty=self.regularization.penalties(side, ratings.row_weights()),
            nonnegative=self.nonnegative,
        )

    def side_sums(self, factors: Factors) -> SideSums | None:
        """Return None: without unobserved pairs in the objective, no half-step needs sums over a side."""
        return None

    def penalty_loss(self, problem: RowProblem, solved: Factors) -> SquaredLoss:
        """Return the penalty of the rows of a solved problem."""
        return SquaredLoss(penalty=penalty_sum(problem.penalty, solved, problem.scale))

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
        """Return the loss of the rows of a solved block, by a pass over the block's ratings unless `losses` are known.

        Parameters
        ----------
        problem : RowProblem
        training, validation : RatingBlock
            Ratings of the same rows.
        solved : float32[rows, rank]
        measured : float32[n, rank]
            Factors of the other side with which errors are computed.
        n_threads : int
        losses : float64[rows], optional
            From `RowSolver.solve`.
        """
        squared = None if losses is None else _known_error(training, problem, losses)
        return SquaredLoss(
            squared_error=_squared_error(training, measured, solved, n_threads) if squared is None else squared,
            validation_squared_error=_squared_error(validation, measured, solved, n_threads),
            penalty=penalty_sum(problem.penalty, solved, problem.scale),
        )

    def metrics(self, loss: SquaredLoss) -> dict[str, float | None]:
        """Return the objective, the training RMSE and the validation RMSE, None without validation ratings."""
        known = self.n_validation
        return {
            "objective": self.regularization.objective(loss.squared_error, loss.penalty),
            "train_rmse": math.sqrt(loss.squared_error / self.regularization.n_ratings),
            "validation_rmse": math.sqrt(loss.validation_squared_error / known) if known else None,
        }


def _known_error(ratings: RatingBlock, problem: RowProblem, losses: Losses) -> float | None:
    """Return Σ weight·e² from the losses of all rows, or None if a loss is unknown or rounding would matter."""
    squares = float(sum_of_products(ratings.values, problem.targets))
    errors = squares + float(losses.sum())
    return errors if errors > SMALLEST_SHARE * squares else None


def _squared_error(ratings: RatingBlock, fixed: Factors, solved: Factors, n_threads: int) -> float:
    csr = (ratings.indptr, ratings.indices, ratings.values, ratings.weights)
    sums = in_threads(ratings.indptr, n_threads, lambda begin, end: squared_error(*csr, fixed, solved, begin, end))
    return float(sum(sums))
