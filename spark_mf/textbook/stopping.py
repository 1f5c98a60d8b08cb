"""Stopping criteria."""

import math

import numpy as np

from spark_mf.textbook.model import Record
from spark_mf.textbook.ratings import Matrix


def product_change(U: Matrix, V: Matrix, old_U: Matrix, old_V: Matrix) -> float:
    """Return ‖U Vᵀ − U₀ V₀ᵀ‖_F without forming an n × m product.

    U Vᵀ − U₀ V₀ᵀ = (U − U₀) Vᵀ + U₀ (V − V₀)ᵀ = A Bᵀ with A = [U − U₀, U₀] and B = [V, V − V₀], and
    ‖A Bᵀ‖²_F = tr(AᵀA BᵀB) is the sum of the entries of AᵀA ∘ BᵀB. These are 2k × 2k matrices, so it takes (n + m)(2k)²
    multiplications instead of n·m·k. The equivalent ‖U Vᵀ‖² − 2⟨U Vᵀ, U₀ V₀ᵀ⟩ + ‖U₀ V₀ᵀ‖² suffers from cancellation if
    the factors are nearly equal; the differences in A and B avoid it.

    Parameters
    ----------
    U, old_U : float64[n, k]
    V, old_V : float64[m, k]
    """
    A = np.hstack([U - old_U, old_U])
    B = np.hstack([V, V - old_V])
    # Rounding may make a sum of 0 slightly negative.
    return math.sqrt(max(0.0, float(((A.T @ A) * (B.T @ B)).sum())))


class ProductChange:
    """Stop after the first iteration whose product change is below `tol`; 0 disables this."""

    bestIteration: int | None = None

    def __init__(self, tol: float) -> None:
        self.tol = tol

    def ends_after(self, record: Record) -> bool:
        """Return whether the fit ends after this iteration."""
        return record.product_change < self.tol


class EarlyStopping:
    """Stop after `patience` consecutive iterations that do not improve the best RMSE by more than `tol`.

    With validation ratings, the criterion uses the validation RMSE, or for implicit feedback minus the validation
    recall, and the model has the parameters of the best iteration. Without them, it uses the training RMSE if tol > 0.

    Parameters
    ----------
    patience : int
        Number of iterations; 0 disables this.
    tol : float
        Minimum decrease of the RMSE that counts as an improvement.
    """

    def __init__(self, patience: int, tol: float = 0.0) -> None:
        self.patience, self.tol = patience, tol
        self.bestIteration: int | None = None
        self._best, self._since = math.inf, 0

    def ends_after(self, record: Record) -> bool:
        """Record an iteration, and return whether the fit ends after it."""
        validation = record.validation_rmse
        if record.validation_recall is not None:
            validation = -record.validation_recall
        has_validation = validation is not None
        if not has_validation and self.tol == 0:
            return False
        watched = record.train_rmse if validation is None else validation
        assert watched is not None  # explicit ratings have a training RMSE
        if watched < self._best - self.tol:
            self._best, self._since = watched, 0
            self.bestIteration = record.iteration if has_validation else None
        else:
            self._since += 1
        return 0 < self.patience <= self._since


class ChangeOrPatience:
    """Stop by `ProductChange` or by `EarlyStopping`, whichever is first; the model is that of the best iteration.

    Parameters
    ----------
    tol : float
        Of `ProductChange`; the patience counts any improvement.
    patience : int
    """

    def __init__(self, tol: float, patience: int) -> None:
        self._change, self._patience = ProductChange(tol), EarlyStopping(patience)

    @property
    def bestIteration(self) -> int | None:
        """Iteration with the best validation metric; None before the first one."""
        return self._patience.bestIteration

    def ends_after(self, record: Record) -> bool:
        """Record an iteration, and return whether the fit ends after it."""
        stalled = self._patience.ends_after(record)
        return self._change.ends_after(record) or stalled
