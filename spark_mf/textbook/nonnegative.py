"""Nonnegative factors: least squares with x ≥ 0, and NMF by multiplicative updates."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spark_mf.textbook.estimator import Estimator
from spark_mf.textbook.loss import row_penalties
from spark_mf.textbook.model import Parameters
from spark_mf.textbook.ratings import Mask, Matrix, Ratings, Vector


def solve_nonnegative_row(F: Matrix, r: Vector, penalty: float) -> Vector:
    """Return the x ≥ 0 that minimizes ‖F x − r‖² + penalty·‖x‖², float64[k].

    The active-set method of Lawson and Hanson 1974, "Solving least squares problems", algorithm 23.10, on the rows of F
    and √penalty·I with the targets r and 0. The free entries of x minimize the sum without the constraint; all others
    are 0. While the gradient of an entry at 0 is negative, the entry with the most negative one becomes free. If the
    solution for the free entries is not positive, x moves towards it until the first entry becomes 0 and is no longer
    free. Each solution has a smaller sum than the one before, so none recurs, and the method ends once rounding errors
    prevent this.

    Parameters
    ----------
    F : float64[ratings, k]
        Row of the other side for each rating.
    r : float64[ratings]
        Ratings of the row.
    penalty : float
    """
    k = F.shape[1]
    A = np.vstack([F, np.sqrt(penalty) * np.eye(k)])
    b = np.concatenate([r, np.zeros(k)])
    x: Vector = np.zeros(k)
    while True:
        free = x > 0
        descent = np.where(free, -np.inf, A.T @ (b - A @ x))  # minus half the gradient
        free[descent.argmax()] = True
        better = _least_squares(A, b, x, free)
        if descent.max() <= 0 or np.linalg.norm(A @ better - b) >= np.linalg.norm(A @ x - b):
            return x
        x = better


def _least_squares(A: Matrix, b: Vector, x: Vector, free: Mask) -> Vector:
    """Return the x ≥ 0 after steps to solutions in the free entries, of which those that become 0 are fixed."""
    free = free.copy()
    while True:
        target = np.zeros_like(x)
        target[free] = np.linalg.lstsq(A[:, free], b, rcond=None)[0]
        blocking = free & (target <= 0)
        if not blocking.any():
            return target
        lengths = np.full_like(x, np.inf)
        lengths[blocking] = x[blocking] / np.maximum(x - target, np.finfo(float).tiny)[blocking]
        x = x + lengths.min() * (target - x)
        free &= lengths > lengths.min()
        x[~free] = 0


@dataclass(frozen=True, kw_only=True)
class NMF(Estimator):
    """Nonnegative matrix factorization by multiplicative updates of the observed pairs.

    Each iteration multiplies all entries of V, and then those of U, by the ratio of the two parts of the gradient:

        V ← V ∘ (Rᵀ U) / ((M ∘ U Vᵀ)ᵀ U + w_V V)
        U ← U ∘ (R V) / ((M ∘ U Vᵀ) V + w_U U)

    entry by entry, where M is the mask of the observed pairs, R is 0 elsewhere, and w are the weights of the penalties
    of `spark_mf.textbook.loss`. Without the mask and penalties these are the updates of Lee and Seung 2001, "Algorithms
    for non-negative matrix factorization", eq. 4, with W = U and H = Vᵀ. The objective never rises (theorem 1). An
    entry that is 0 remains 0, and convergence is slower than that of ``ALS(nonnegative=True)``, which solves the same
    problem. With `tol`, the fit stops once ‖W H − W₀ H₀‖_F < tol. Initial factors are |N(0, initStd²)|.

    Repeated pairs and negative ratings are errors. The default of regParam is 0, as in the paper.
    """

    maxIter: int = 200
    regParam: float = 0.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Matrix, Matrix]:
        """Draw the initial U, then V, as absolute values of N(0, initStd²)."""
        U, V = super().draw(rng, shape)
        return abs(U), abs(V)

    def iterates(self, ratings: Ratings, start: Parameters, rng: np.random.Generator) -> Iterator[Parameters]:
        """Yield the parameters after each update of V and U."""
        if ratings.values.min() < 0:
            raise ValueError(f"ratings must be >= 0 for NMF, got {ratings.values.min():g}. Use ALS for such ratings.")
        R, observed = ratings.matrix, ratings.observed
        w_U, w_V = (
            row_penalties(counts, lam, self.regularization, self.regExponent)
            for counts, lam in zip((ratings.user_counts, ratings.item_counts), self._lambdas, strict=True)
        )
        U, V = start.U, start.V
        while True:
            V = multiplicative_update(R.T, observed.T, V, U, w_V)
            U = multiplicative_update(R, observed, U, V, w_U)
            yield Parameters.without_biases(U, V)

    def _given(self, initial: tuple[Matrix, Matrix], shape: tuple[int, int]) -> tuple[Matrix, Matrix]:
        return require_nonnegative(super()._given(initial, shape))


def multiplicative_update(R: Matrix, observed: Mask, X: Matrix, fixed: Matrix, penalties: Vector) -> Matrix:
    """Return X ∘ (R F) / ((M ∘ X Fᵀ) F + w X), where entries with a denominator of 0 are not changed.

    Parameters
    ----------
    R, observed : float64[rows, columns] and bool[rows, columns]
    X : float64[rows, k]
    fixed : float64[columns, k]
        The rows F of the other side.
    penalties : float64[rows]
        The weights w.
    """
    numerator = np.where(observed, R, 0) @ fixed
    denominator = np.where(observed, X @ fixed.T, 0) @ fixed + penalties[:, None] * X
    return X * np.divide(numerator, denominator, out=np.ones_like(X), where=denominator > 0)


def require_nonnegative(initial: tuple[Matrix, Matrix]) -> tuple[Matrix, Matrix]:
    """Return initial factors, or raise ValueError if one is negative."""
    lowest = min(factors.min(initial=0) for factors in initial)
    if lowest < 0:
        raise ValueError(f"initial must have factors >= 0, got {lowest:g}. Use the absolute values.")
    return initial
