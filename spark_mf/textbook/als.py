"""Alternating least squares."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from spark_mf.textbook.checks import require_above_zero, require_at_least_zero, require_choice, require_count
from spark_mf.textbook.estimator import Estimator
from spark_mf.textbook.half_steps.biases import biased_half_step, joint_penalties, joint_rows, prediction_change
from spark_mf.textbook.half_steps.inner_steps import descend_rows
from spark_mf.textbook.implicit import feedback, implicit_loss, implicit_penalties, validation_recall
from spark_mf.textbook.loss import objective, row_penalties
from spark_mf.textbook.model import Parameters, Record
from spark_mf.textbook.nonnegative import require_nonnegative, solve_nonnegative_row
from spark_mf.textbook.ratings import Mask, Matrix, Ratings, Vector

SOLVERS = ("cholesky", "gd", "nnls")
ORDERS = ("items", "users")


@dataclass(frozen=True, kw_only=True)
class ALS(Estimator):
    """Alternating least squares, the reference implementation of `spark_mf.ALS`.

    Each iteration solves all rows of one side with the other side fixed, and then the other side:

        (Vᵀ C_u V + w_u I) u = Vᵀ C_u r_u        C_u the diagonal matrix of the weights of u's pairs, r_u the targets

    with the weight w_u = λ, λ·n_u, λ·|Ω| or λ·n_u^ν of `spark_mf.textbook.loss`. For explicit ratings, the targets are
    the ratings, and C is 1 for observed pairs and 0 for all others (Zhou, Wilkinson, Schreiber and Pan 2008, §3.1;
    Koren, Bell and Volinsky 2009). With `implicitPrefs`, the targets are the preferences and C the confidences of all
    pairs (Hu, Koren and Volinsky 2008, eq. 4 and 5; see `spark_mf.textbook.implicit`); the history has the objective
    over all pairs and the validation recall, and no RMSE. With `fitBias`, r̂ = μ + b_u + b_i + u·v, and each half-step
    solves for factors and biases together; see `spark_mf.textbook.half_steps.biases`. Repeated pairs are an error.

    Parameters
    ----------
    implicitPrefs : bool
        Whether ratings are implicit feedback.
    alpha : float or None
        α of the confidence; None for 1.
    unobservedWeight : float or None
        α₀ of the objective of iALS; None for the objective with α.
    nonnegative : bool
        Whether factors are constrained to be nonnegative; see `spark_mf.textbook.nonnegative`. Initial factors are then
        |N(0, initStd²)|.
    solver : {"cholesky", "gd", "nnls"}
        "cholesky" solves exactly; "gd" (ALS+GD) takes gradient-descent steps from the row of the previous iteration;
        "nnls" solves exactly for nonnegative factors, as "cholesky" does with `nonnegative`.
    innerSteps : int
        Steps of "gd" for each row in each half-step.
    innerTol : float
        The steps of a row end once the norm of its gradient is at most innerTol times that of the first gradient.
    order : {"items", "users"}
        Side that is solved first; `spark_mf.ALS` solves items first.
    fitBias : bool
        Whether to fit biases, which start at 0, and to use the mean of the training ratings as μ.
    biasRegParam : float or None
        λ of the biases; None for regParam.
    """

    implicitPrefs: bool = False
    alpha: float | None = None
    unobservedWeight: float | None = None
    nonnegative: bool = False
    solver: str = "cholesky"
    innerSteps: int = 3
    innerTol: float = 0.0
    order: str = "items"
    fitBias: bool = False
    biasRegParam: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("solver", self.solver, SOLVERS)
        require_choice("order", self.order, ORDERS)
        require_count("innerSteps", self.innerSteps, 1)
        require_at_least_zero("innerTol", self.innerTol)
        require_at_least_zero("biasRegParam", self._bias_lambda)
        self._require_solver()
        self._require_implicit()
        self._require_no_bias()

    def iterates(self, ratings: Ratings, start: Parameters, rng: np.random.Generator) -> Iterator[Parameters]:
        """Yield the parameters after each iteration of two half-steps."""
        T, C, w_U, w_V = self.problem(ratings)
        half_step = partial(biased_half_step, self.half_step) if self.fitBias else self.half_step
        U, V = joint_rows(start) if self.fitBias else (start.U, start.V)
        while True:
            if self.order == "users":
                U = half_step(T, C, V, w_U, U)
            V = half_step(T.T, C.T, U, w_V, V)
            if self.order == "items":
                U = half_step(T, C, V, w_U, U)
            if self.fitBias:
                yield Parameters(U[:, :-1], V[:, :-1], U[:, -1], V[:, -1], start.globalMean)
            else:
                yield Parameters.without_biases(U, V)

    def problem(self, ratings: Ratings) -> tuple[Matrix, Mask | Matrix, Vector | Matrix, Vector | Matrix]:
        """Return what all half-steps of a fit share: targets and weights of all pairs, w_U and w_V.

        Returns
        -------
        targets, weights : float64[n, m] and bool[n, m] or float64[n, m]
        w_U, w_V : float64[n] and float64[m], or with biases float64[n, k + 1] and float64[m, k + 1]
        """
        R, observed = ratings.matrix, ratings.observed
        if not self.implicitPrefs:
            counts = ratings.user_counts, ratings.item_counts
            w_U, w_V = (
                row_penalties(n, lam, self.regularization, self.regExponent)
                for n, lam in zip(counts, self._lambdas, strict=True)
            )
            if not self.fitBias:
                return R, observed, w_U, w_V
            b_U, b_V = (row_penalties(n, self._bias_lambda, self.regularization, self.regExponent) for n in counts)
            penalties = joint_penalties(w_U, b_U, self.rank), joint_penalties(w_V, b_V, self.rank)
            return R - ratings.values.mean(), observed, *penalties
        if ratings.values.max() <= 0:
            raise ValueError(
                "ratings must contain at least one value > 0 with implicitPrefs=True, got "
                f"{ratings.values.max():g} as the highest. Values <= 0 express no preference."
            )
        C, T, _ = feedback(R, self.alpha, self.unobservedWeight)
        own: dict[str, Any] = {"unobservedWeight": self.unobservedWeight, **self._own_regularization}
        return T, C, *implicit_penalties(R, observed, self.regParam, self.regularization, **own)

    def half_step(
        self, targets: Matrix, weights: Mask | Matrix, fixed: Matrix, penalties: Vector | Matrix, old: Matrix
    ) -> Matrix:
        """Return the new rows of one side as float64[rows, k], for `fixed` rows of the other; `old` is not changed."""
        if self.solver == "gd":
            return descend_rows(targets, weights, fixed, penalties, old, self.innerSteps, self.innerTol)
        if self.nonnegative:
            return solve_rows(targets, weights, fixed, penalties, solve_nonnegative_row)
        if (weights == 1).all():
            return solve_fully_observed(targets, fixed, penalties[0])
        return solve_rows(targets, weights, fixed, penalties)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Matrix, Matrix]:
        """Draw the initial U, then V, from N(0, initStd²), or their absolute values with `nonnegative`."""
        U, V = super().draw(rng, shape)
        return (abs(U), abs(V)) if self.nonnegative else (U, V)

    def objective(self, ratings: Ratings, parameters: Parameters) -> float:
        """Return the objective, over the observed pairs or, for implicit feedback, over all pairs."""
        if not self.implicitPrefs:
            own_lambdas = self._own_regularization
            return objective(ratings, parameters, self.regParam, self.regularization, self.biasRegParam, **own_lambdas)
        data = ratings.matrix, ratings.observed, parameters.U, parameters.V
        own: dict[str, Any] = {
            "alpha": self.alpha,
            "unobservedWeight": self.unobservedWeight,
            **self._own_regularization,
        }
        return implicit_loss(*data, self.regParam, self.regularization, **own)

    @property
    def _bias_lambda(self) -> float:
        return self.regParam if self.biasRegParam is None else self.biasRegParam

    def _start(self, ratings: Ratings, U: Matrix, V: Matrix) -> Parameters:
        plain = super()._start(ratings, U, V)
        return replace(plain, globalMean=float(ratings.values.mean())) if self.fitBias else plain

    def _record(
        self,
        iteration: int,
        seconds: float,
        ratings: Ratings,
        old: Parameters,
        new: Parameters,
        clip: tuple[float, float] | None,
    ) -> Record:
        record = super()._record(iteration, seconds, ratings, old, new, clip)
        return replace(record, product_change=prediction_change(new, old)) if self.fitBias else record

    def _given(self, initial: tuple[Matrix, Matrix], shape: tuple[int, int]) -> tuple[Matrix, Matrix]:
        given = super()._given(initial, shape)
        return require_nonnegative(given) if self.nonnegative else given

    def _errors(
        self, ratings: Ratings, parameters: Parameters, clip: tuple[float, float] | None
    ) -> dict[str, float | None]:
        if not self.implicitPrefs:
            return super()._errors(ratings, parameters, clip)
        recall = validation_recall(parameters, ratings)
        return {"train_rmse": None, "validation_rmse": None, "validation_recall": recall}

    def _require_solver(self) -> None:
        if self.nonnegative and self.solver == "gd":
            raise ValueError(
                "solver must be 'cholesky' or 'nnls' with nonnegative=True, got 'gd'. Iterative solvers do not support "
                "constraints."
            )
        if self.solver == "nnls" and not self.nonnegative:
            raise ValueError(
                "nonnegative must be True with solver='nnls', got False. Set it, or use solver='cholesky'."
            )

    def _require_no_bias(self) -> None:
        if self.fitBias and self.nonnegative:
            raise ValueError(
                "fitBias must be False with nonnegative=True, got True. Biases are negative for ratings below the mean."
            )
        if self.fitBias and self.implicitPrefs:
            raise ValueError(
                "fitBias must be False with implicitPrefs=True, got True. Biases are those of explicit ratings."
            )

    def _require_implicit(self) -> None:
        if self.implicitPrefs and (self.clipPredictions or self.clipTo is not None):
            raise ValueError(
                "clipPredictions must be False and clipTo None with implicitPrefs=True, got "
                f"{self.clipPredictions} and {self.clipTo}. Predictions are preferences, not ratings."
            )
        if self.alpha is not None:
            require_above_zero("alpha", self.alpha)
        if self.unobservedWeight is None:
            return
        require_above_zero("unobservedWeight", self.unobservedWeight)
        if not self.implicitPrefs:
            raise ValueError(
                f"unobservedWeight must be set with implicitPrefs=True only, got {self.unobservedWeight:g}. Set "
                "implicitPrefs=True, or leave it unset."
            )
        if self.alpha is not None:
            raise ValueError(
                f"alpha must not be set together with unobservedWeight, got {self.alpha:g}. Set alpha for the "
                "objective of pyspark's ALS, or unobservedWeight for that of iALS."
            )


def solve_row(F: Matrix, r: Vector, penalty: float | Vector) -> Vector:
    """Return the x that minimizes ‖F x − r‖² + penalty·‖x‖², from the normal equations (FᵀF + penalty·I) x = Fᵀr.

    Without a penalty they may be singular, and x is the minimum-norm least-squares solution (Golub and Van Loan,
    "Matrix computations", 4th ed., §5.5). Penalties of each coordinate, some of which may be 0, enter as further
    equations √penalty·x = 0.

    Parameters
    ----------
    F : float64[ratings, k]
        Row of the other side for each rating.
    r : float64[ratings]
        Ratings of the row.
    penalty : float or float64[k]
    """
    if np.any(penalty == 0):
        k = F.shape[1]
        return np.linalg.lstsq(np.vstack([F, np.sqrt(penalty * np.eye(k))]), np.append(r, np.zeros(k)), rcond=None)[0]
    return np.linalg.solve(F.T @ F + penalty * np.eye(F.shape[1]), F.T @ r)


def solve_rows(
    R: Matrix,
    weights: Mask | Matrix,
    fixed: Matrix,
    penalties: Vector | Matrix,
    solve: Callable[[Matrix, Vector, Any], Vector] = solve_row,
) -> Matrix:
    """Return the separate solutions of all rows as float64[rows, k].

    A row minimizes Σ c (f·x − r)² + w·‖x‖², which is the problem of `solve_row` for √c·f and √c·r.

    Parameters
    ----------
    R : float64[rows, columns]
    weights : bool[rows, columns] or float64[rows, columns]
        The weights c: the mask of the observed pairs, or those of `spark_mf.textbook.implicit.feedback`.
    fixed : float64[columns, k]
    penalties : float64[rows] or float64[rows, k]
    solve : callable
        `solve_row`, or `spark_mf.textbook.nonnegative.solve_nonnegative_row`.
    """
    rows = []
    for r, c, w in zip(R, weights, penalties, strict=True):
        seen = c > 0
        roots = np.sqrt(c[seen].astype(np.float64))
        rows.append(solve(roots[:, None] * fixed[seen], roots * r[seen], w))
    return np.array(rows)


def solve_fully_observed(R: Matrix, fixed: Matrix, penalty: float | Vector) -> Matrix:
    """Return the solution of all rows if every pair is observed: R F (FᵀF + penalty·I)⁻¹, one k × k system.

    Without a penalty it is R (F⁺)ᵀ, the minimum-norm solution, with the pseudoinverse F⁺.
    """
    if np.any(penalty == 0):
        return np.array([solve_row(fixed, r, penalty) for r in R])
    return np.linalg.solve(fixed.T @ fixed + penalty * np.eye(fixed.shape[1]), fixed.T @ R.T).T
