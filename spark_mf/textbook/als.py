"""Alternating least squares."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spark_mf.textbook.als_gd import descend_rows
from spark_mf.textbook.checks import require_at_least_zero, require_choice, require_count
from spark_mf.textbook.estimator import Estimator
from spark_mf.textbook.loss import row_penalties
from spark_mf.textbook.model import Parameters
from spark_mf.textbook.ratings import Mask, Matrix, Ratings, Vector

SOLVERS = ("cholesky", "gd")
ORDERS = ("items", "users")


@dataclass(frozen=True, kw_only=True)
class ALS(Estimator):
    """Alternating least squares, the reference implementation of `spark_mf.ALS`.

    Each iteration solves all rows of one side with the other side fixed, and then the other side:

        (Vᵀ_u V_u + w_u I) u = Vᵀ_u r_u        V_u the rows of the items that u rated, r_u the ratings

    with the weight w_u = λ, λ·n_u or λ·|Ω| of `spark_mf.textbook.loss` (Zhou, Wilkinson, Schreiber and Pan 2008, §3.1;
    Koren, Bell and Volinsky 2009). Repeated pairs are an error.

    Parameters
    ----------
    solver : {"cholesky", "gd"}
        "cholesky" solves exactly; "gd" (ALS+GD) takes gradient-descent steps from the row of the previous iteration.
    innerSteps : int
        Steps of "gd" for each row in each half-step.
    innerTol : float
        The steps of a row end once the norm of its gradient is at most innerTol times that of the first gradient.
    order : {"items", "users"}
        Side that is solved first; `spark_mf.ALS` solves items first.
    """

    solver: str = "cholesky"
    innerSteps: int = 3
    innerTol: float = 0.0
    order: str = "items"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("solver", self.solver, SOLVERS)
        require_choice("order", self.order, ORDERS)
        require_count("innerSteps", self.innerSteps, 1)
        require_at_least_zero("innerTol", self.innerTol)

    def iterates(self, ratings: Ratings, start: Parameters, rng: np.random.Generator) -> Iterator[Parameters]:
        """Yield the parameters after each iteration of two half-steps."""
        R, observed = ratings.matrix, ratings.observed
        w_U = row_penalties(ratings.user_counts, self.regParam, self.regularization)
        w_V = row_penalties(ratings.item_counts, self.regParam, self.regularization)
        U, V = start.U, start.V
        while True:
            if self.order == "users":
                U = self.half_step(R, observed, V, w_U, U)
            V = self.half_step(R.T, observed.T, U, w_V, V)
            if self.order == "items":
                U = self.half_step(R, observed, V, w_U, U)
            yield Parameters.without_biases(U, V)

    def half_step(self, R: Matrix, observed: Mask, fixed: Matrix, penalties: Vector, old: Matrix) -> Matrix:
        """Return the new rows of one side as float64[rows, k], for `fixed` rows of the other; `old` is not changed."""
        if self.solver == "gd":
            return descend_rows(R, observed, fixed, penalties, old, self.innerSteps, self.innerTol)
        if observed.all():
            return solve_fully_observed(R, fixed, penalties[0])
        return solve_rows(R, observed, fixed, penalties)


def solve_row(F: Matrix, r: Vector, penalty: float) -> Vector:
    """Return the x that minimizes ‖F x − r‖² + penalty·‖x‖², from the normal equations (FᵀF + penalty·I) x = Fᵀr.

    Without a penalty they may be singular, and x is the minimum-norm least-squares solution (Golub and Van Loan,
    "Matrix computations", 4th ed., §5.5).

    Parameters
    ----------
    F : float64[ratings, k]
        Row of the other side for each rating.
    r : float64[ratings]
        Ratings of the row.
    penalty : float
    """
    if penalty == 0:
        return np.linalg.lstsq(F, r, rcond=None)[0]
    return np.linalg.solve(F.T @ F + penalty * np.eye(F.shape[1]), F.T @ r)


def solve_rows(R: Matrix, observed: Mask, fixed: Matrix, penalties: Vector) -> Matrix:
    """Return the separate solutions of all rows as float64[rows, k].

    Parameters
    ----------
    R, observed : float64[rows, columns] and bool[rows, columns]
    fixed : float64[columns, k]
    penalties : float64[rows]
    """
    rows = [solve_row(fixed[seen], r[seen], w) for r, seen, w in zip(R, observed, penalties, strict=True)]
    return np.array(rows)


def solve_fully_observed(R: Matrix, fixed: Matrix, penalty: float) -> Matrix:
    """Return the solution of all rows if every pair is observed: R F (FᵀF + penalty·I)⁻¹, one k × k system.

    Without a penalty it is R (F⁺)ᵀ, the minimum-norm solution, with the pseudoinverse F⁺.
    """
    if penalty == 0:
        return np.linalg.lstsq(fixed, R.T, rcond=None)[0].T
    return np.linalg.solve(fixed.T @ fixed + penalty * np.eye(fixed.shape[1]), fixed.T @ R.T).T
